-- How many rows meet one in the table under the same key.
SELECT count(*) AS rows
FROM pg_temp.archiver_staged AS staged
JOIN {table} AS live ON ({staged_key}) = ({live_key})
