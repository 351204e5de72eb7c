-- The table and its partitions and children, as far as they have a file. The owner of the table, or of the database,
-- may rewrite it, and from version 17 on who was granted MAINTAIN; the server passes over others with a mere warning.
-- `columns` tells how each is stored, its average width and its share of NULLs; the last two null where nobody knows.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT
    class.oid,
    space.nspname AS schema,
    class.relname AS name,
    nullif(class.reltoastrelid, 0) AS toast_oid,
    coalesce(pg_table_size(class.oid), 0)
    - coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) AS heap_bytes,
    coalesce(pg_relation_size(class.oid), 0) AS main_bytes,
    coalesce(pg_indexes_size(class.oid), 0) AS index_bytes,
    coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) AS toast_bytes,
    coalesce(pg_relation_size(nullif(class.reltoastrelid, 0)), 0) AS toast_heap_bytes,
    greatest(class.reltuples, 0)::bigint AS counted,
    pg_stat_get_live_tuples(class.oid) AS live,
    pg_stat_get_dead_tuples(class.oid) AS dead,
    greatest(toast.reltuples, 0)::bigint AS toast_counted,
    pg_stat_get_live_tuples(nullif(class.reltoastrelid, 0)) AS toast_live,
    pg_stat_get_dead_tuples(nullif(class.reltoastrelid, 0)) AS toast_dead,
    coalesce(
        (SELECT setting.option_value::integer FROM pg_options_to_table(class.reloptions) AS setting
        WHERE setting.option_name = 'fillfactor'),
        100
    ) AS fill_factor,
    (
        SELECT
            jsonb_agg(
                jsonb_build_array(stored.attlen, stored.attalign, known.avg_width, known.null_frac)
                ORDER BY stored.attnum
            )
        FROM pg_catalog.pg_attribute AS stored
        LEFT JOIN pg_catalog.pg_stats AS known
            ON known.schemaname = space.nspname AND known.tablename = class.relname
            AND known.attname = stored.attname AND NOT known.inherited
        WHERE stored.attrelid = class.oid AND stored.attnum > 0 AND NOT stored.attisdropped
    ) AS columns,
    current_setting('block_size')::integer AS block_size,
    pg_get_userbyid(class.relowner) AS owner,
    {postgres/catalog/fragments/may_maintain} AS may_maintain
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_class AS toast ON toast.oid = class.reltoastrelid
WHERE class.relkind = 'r'
ORDER BY space.nspname, class.relname
