-- How many of the oldest rows due wait for their children, and how many of them for such as never go. No other rows
-- are looked at, so it costs little.
WITH oldest AS (
    SELECT tableoid, ctid, * FROM {table} WHERE {column} >= %(start)s AND {column} < %(end)s
    ORDER BY {column} LIMIT %(limit)s
)
SELECT
    (SELECT count(*) FROM oldest) AS looked_at,
    (SELECT count(*) FROM oldest AS target WHERE {unreferenced}) AS free,
    (SELECT count(*) FROM oldest AS target WHERE NOT ({unreferenced_by_lasting})) AS for_ever
