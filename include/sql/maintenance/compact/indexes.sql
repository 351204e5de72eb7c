-- The indexes, with the bytes that a fresh one would take: for a b-tree, 8 bytes of header and 4 of line pointer a row,
-- the columns by the statistics, pages filled to the fillfactor (duplicates may take less). Null where that is not known.
SELECT
    class.oid,
    space.nspname AS schema,
    class.relname AS name,
    access.amname AS access_method,
    index.indisvalid AS is_valid,
    index.indisexclusion AS is_exclusion,
    pg_relation_size(class.oid) AS bytes,
    CASE WHEN access.amname = 'btree' THEN (
        SELECT
            CASE WHEN count(*) = count(width.bytes) AND class.reltuples >= 0 THEN
                2 * current_setting('block_size')::bigint
                + class.reltuples * (12 + 8 * ceil(sum(width.bytes) / 8)) * 100 / coalesce((
                    SELECT option.option_value::integer FROM pg_options_to_table(class.reloptions) AS option
                    WHERE option.option_name = 'fillfactor'
                ), 90)
            END
        FROM pg_catalog.pg_attribute AS column_
        CROSS JOIN LATERAL (
            SELECT CASE WHEN column_.attlen > 0 THEN column_.attlen ELSE (
                SELECT max(stats.avg_width) FROM pg_catalog.pg_stats AS stats
                WHERE
                    stats.schemaname = space.nspname
                    AND (
                        (stats.tablename = heap.relname AND stats.attname = (
                            SELECT source.attname FROM pg_catalog.pg_attribute AS source
                            WHERE source.attrelid = heap.oid AND source.attnum = index.indkey[column_.attnum - 1]
                        ))
                        OR (stats.tablename = class.relname AND stats.attname = column_.attname)
                    )
            ) END AS bytes
        ) AS width
        WHERE column_.attrelid = class.oid AND column_.attnum > 0
    ) END::bigint AS fresh_bytes
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_class AS heap ON heap.oid = index.indrelid
JOIN pg_catalog.pg_am AS access ON access.oid = class.relam
WHERE index.indrelid = %(oid)s
ORDER BY pg_relation_size(class.oid), class.relname
