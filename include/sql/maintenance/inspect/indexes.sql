-- The indexes of one table; `leads` where the timestamp column comes first and no row is left out. `width` is what an
-- entry's columns take up on average, null where that is not known.
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
    CASE
        WHEN index.indpred IS NULL AND index.indexprs IS NULL THEN (
            SELECT CASE WHEN bool_and(known.avg_width IS NOT NULL) THEN sum(known.avg_width)::float8 END
            FROM unnest(index.indkey::smallint[]) AS key (number)
            JOIN pg_catalog.pg_attribute AS member
                ON member.attrelid = index.indrelid AND member.attnum = key.number
            LEFT JOIN pg_catalog.pg_stats AS known
                ON known.schemaname = space.nspname AND known.tablename = tables.relname
                AND known.attname = member.attname AND NOT known.inherited
        )
    END AS width
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_class AS tables ON tables.oid = index.indrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
LEFT JOIN pg_catalog.pg_attribute AS first
    ON first.attrelid = index.indrelid AND first.attnum = index.indkey[0]
WHERE index.indrelid = %(oid)s
ORDER BY class.relname
