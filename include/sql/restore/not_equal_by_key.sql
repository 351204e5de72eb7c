-- The numbers of the rows that are not in the table under their key just as they were archived.
SELECT staged.{position} AS position, live.tableoid IS NULL AS missing
FROM pg_temp.archiver_staged AS staged
LEFT JOIN {table} AS live ON ({staged_key}) = ({live_key})
WHERE live.tableoid IS NULL OR ROW({staged_columns})::text IS DISTINCT FROM ROW({live_columns})::text
ORDER BY 1
