-- How many of the oldest rows due wait for their children, and how many do not wait for children that never leave. No other
-- rows are looked at. Both conditions are anti joins: their negation would be a look into the child for each row.
WITH oldest AS (
    SELECT tableoid, ctid, * FROM {table} WHERE {column} >= %(start)s AND {column} < %(end)s
    ORDER BY {column} LIMIT %(limit)s
)
SELECT
    (SELECT count(*) FROM oldest) AS looked_at,
    (SELECT count(*) FROM oldest AS target WHERE {unreferenced}) AS free,
    (SELECT count(*) FROM oldest AS target WHERE {unreferenced_by_lasting}) AS free_of_lasting,
    (SELECT min({moment}) FROM oldest AS target) AS first
