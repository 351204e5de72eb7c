-- As not_equal.sql, for a table that no longer has the timestamp column, which would tell where in it to look.
WITH put AS (
    SELECT
        {position} AS position, ROW({columns})::text AS content,
        row_number() OVER (PARTITION BY ROW({columns})::text ORDER BY {position}) AS number
    FROM pg_temp.archiver_staged
),
came AS (
    SELECT ROW({columns})::text AS content, count(*) AS rows
    FROM {table}
    WHERE age(xmin) <= age(pg_current_xact_id()::xid)
    GROUP BY 1
)
SELECT put.position, true AS missing
FROM put
LEFT JOIN came ON came.content = put.content
WHERE put.number > coalesce(came.rows, 0)
ORDER BY 1
