-- How many of the rows in conflict are later than the one in the table.
SELECT count(*) AS rows
FROM pg_temp.archiver_staged AS staged
JOIN {table} AS live ON ({staged_key}) = ({live_key})
WHERE {staged_column} > {live_column}
