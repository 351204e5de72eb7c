-- As move.sql, for all rows of the partition, if they cannot be compared with lists.
WITH moved AS (
    INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM {partition}
    RETURNING ROW({every})::pg_catalog.text AS line
),
stayed AS (
    SELECT ROW({every})::pg_catalog.text AS line FROM {partition}
)
SELECT
    (SELECT pg_catalog.count(*) FROM stayed) AS rows,
    (SELECT pg_catalog.count(*) FROM moved) AS moved,
    (
        SELECT pg_catalog.count(*) FROM (SELECT line FROM stayed EXCEPT ALL SELECT line FROM moved) AS others
    ) AS different
