-- The rows that are still to come in: how many, the first and the last number.
SELECT
    count(*) AS rows,
    coalesce(min({position}), 0) AS first,
    coalesce(max({position}), 0) AS last
FROM pg_temp.archiver_staged
