-- Rows in which a generated column has another value than was archived.
SELECT count(*) AS rows
FROM pg_temp.archiver_staged AS staged
JOIN {table} AS live ON ({staged_key}) = ({live_key})
WHERE ROW({staged_columns})::text IS DISTINCT FROM ROW({live_columns})::text
