-- How many rows the span holds, no further than a length of time after its oldest row, and counted up to a limit. One way
-- along the index where there is one.
WITH oldest AS MATERIALIZED (
    SELECT min({column})::timestamp AS moment FROM {table} WHERE {column} >= %(start)s AND {column} < %(end)s
)
SELECT count(*) AS rows
FROM (
    SELECT
    FROM {table} AS target
    WHERE
        {column} >= %(start)s AND {column} < %(end)s
        AND {column} < (SELECT oldest.moment FROM oldest) + %(longest)s::interval
    LIMIT %(limit)s
) AS counted
