-- The indexes of one table; `leads` where the timestamp column comes first and no row is left out. `columns` tells how
-- each is stored, its average width and its share of NULLs; the last two null where nobody knows.
SELECT
    class.oid,
    space.nspname AS schema,
    class.relname AS name,
    coalesce(pg_relation_size(class.oid), 0) AS bytes,
    greatest(class.reltuples, 0)::bigint AS entries,
    index.indisvalid AND index.indisready AS valid,
    method.amname AS method,
    index.indpred IS NULL AND method.amname = 'btree' AND coalesce(first.attname = %(column)s, false) AS leads,
    current_setting('block_size')::integer AS block_size,
    index.indpred IS NOT NULL AS is_partial,
    index.indisexclusion AS is_exclusion,
    coalesce(
        (SELECT setting.option_value::integer FROM pg_options_to_table(class.reloptions) AS setting
        WHERE setting.option_name = 'fillfactor'),
        90
    ) AS fill_factor,
    (
        SELECT
            jsonb_agg(
                jsonb_build_array(stored.attlen, stored.attalign, known.avg_width, known.null_frac)
                ORDER BY stored.attnum
            )
        FROM pg_catalog.pg_attribute AS stored
        LEFT JOIN pg_catalog.pg_attribute AS source
            ON source.attrelid = index.indrelid AND source.attnum = index.indkey[stored.attnum - 1]
        LEFT JOIN pg_catalog.pg_stats AS known
            ON known.schemaname = space.nspname AND NOT known.inherited
            AND (
                (known.tablename = tables.relname AND known.attname = source.attname)
                OR (known.tablename = class.relname AND known.attname = stored.attname)
            )
        WHERE stored.attrelid = class.oid AND stored.attnum > 0
    ) AS columns
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_class AS tables ON tables.oid = index.indrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
LEFT JOIN pg_catalog.pg_attribute AS first
    ON first.attrelid = index.indrelid AND first.attnum = index.indkey[0]
WHERE index.indrelid = %(oid)s
ORDER BY class.relname
