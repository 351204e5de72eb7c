-- Puts those rows of a detached partition back into its table that are on no list, and tells how many they are, and how
-- many of them are not there just as they were.
-- Looks nothing up along the database's own search path, which is in force for what indexes and checks call.
WITH moved AS (
    INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM {partition} AS target
    WHERE NOT EXISTS (
        SELECT FROM pg_temp.archiver_keys AS exported
        WHERE
            target.xmin OPERATOR(pg_catalog.=) exported.version
            AND ({target_place}) OPERATOR(pg_catalog.=) ({exported_place}) AND {same_key}
    )
    RETURNING ROW({every})::pg_catalog.text AS line
),
stayed AS (
    SELECT ROW({every})::pg_catalog.text AS line FROM {partition} AS target
    WHERE NOT EXISTS (
        SELECT FROM pg_temp.archiver_keys AS exported
        WHERE
            target.xmin OPERATOR(pg_catalog.=) exported.version
            AND ({target_place}) OPERATOR(pg_catalog.=) ({exported_place}) AND {same_key}
    )
)
SELECT
    (SELECT pg_catalog.count(*) FROM stayed) AS rows,
    (SELECT pg_catalog.count(*) FROM moved) AS moved,
    (
        SELECT pg_catalog.count(*) FROM (SELECT line FROM stayed EXCEPT ALL SELECT line FROM moved) AS others
    ) AS different
