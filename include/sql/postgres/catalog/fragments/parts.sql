-- Of a window from `span.starts_at` to `span.ends_at`: the table itself, and each of its partitions and children that may
-- hold rows of it. What is left out, and why, stands in `parts`.
WITH RECURSIVE family AS (
    SELECT %(oid)s::oid AS oid
    UNION
    SELECT inherits.inhrelid
    FROM family
    JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = family.oid
    JOIN pg_catalog.pg_class AS part ON part.oid = inherits.inhrelid
    LEFT JOIN pg_catalog.pg_partitioned_table AS divided
        ON divided.partrelid = family.oid AND divided.partstrat = 'r' AND divided.partnatts = 1
    LEFT JOIN pg_catalog.pg_attribute AS column_
        ON column_.attrelid = divided.partrelid AND column_.attnum = divided.partattrs[0]
        AND column_.attname = %(column)s
    CROSS JOIN LATERAL regexp_match(
        CASE WHEN column_.attnum IS NOT NULL THEN pg_get_expr(part.relpartbound, part.oid) END,
        '^FOR VALUES FROM [(]''([^'']+)''[)] TO [(]''([^'']+)''[)]$'
    ) AS bounds
    WHERE
        CASE
            WHEN bounds IS NULL THEN true
            WHEN column_.atttypid = 'timestamptz'::regtype
                THEN
                    bounds[1]::timestamptz < span.ends_at AT TIME ZONE 'UTC'
                    AND bounds[2]::timestamptz > span.starts_at AT TIME ZONE 'UTC'
            WHEN column_.atttypid IN ('timestamp'::regtype, 'date'::regtype)
                THEN bounds[1]::timestamp < span.ends_at AND bounds[2]::timestamp > span.starts_at
            ELSE true
        END
)
SELECT
    family.oid::text AS oid,
    space.nspname AS schema,
    class.relname AS name,
    pg_relation_filenode(family.oid)::bigint AS file_node,
    (
        SELECT md5(string_agg(format('%%s %%s %%s %%s', attnum, attname, atttypid, atttypmod), E'\n' ORDER BY attnum))
        FROM pg_catalog.pg_attribute
        WHERE attrelid = family.oid AND attnum > 0 AND NOT attisdropped
    ) AS columns
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE pg_relation_filenode(family.oid) IS NOT NULL
