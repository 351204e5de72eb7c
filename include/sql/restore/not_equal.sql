-- As not_equal_by_key.sql, for a table without a key: of the rows that this transaction has brought, and those that came at the same
-- time, there must be as many of each content as were put in.
WITH put AS (
    SELECT
        {position} AS position, ROW({columns})::text AS content,
        row_number() OVER (PARTITION BY ROW({columns})::text ORDER BY {position}) AS number
    FROM pg_temp.archiver_staged
),
came AS (
    SELECT ROW({columns})::text AS content, count(*) AS rows
    FROM {table}
    WHERE
        age(xmin) <= age(pg_current_xact_id()::xid)
        AND (
            {column} BETWEEN (SELECT min({column}) FROM pg_temp.archiver_staged)
                AND (SELECT max({column}) FROM pg_temp.archiver_staged)
            OR {column} IS NULL
        )
    GROUP BY 1
)
SELECT put.position, true AS missing
FROM put
LEFT JOIN came ON came.content = put.content
WHERE put.number > coalesce(came.rows, 0)
ORDER BY 1
