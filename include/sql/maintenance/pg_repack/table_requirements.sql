-- Whether pg_repack can take the table: kept in a file, logged, and with a unique key over columns that are never NULL.
SELECT
    format('%%I.%%I', space.nspname, class.relname) AS quoted,
    class.relkind = 'r' AND class.relpersistence = 'p' AS permanent,
    pg_relation_filenode(class.oid)::bigint AS file_node,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS index
        WHERE
            index.indrelid = class.oid
            AND index.indisunique
            AND index.indisvalid
            AND index.indpred IS NULL
            AND index.indexprs IS NULL
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS attribute
                WHERE
                    attribute.attrelid = index.indrelid
                    AND attribute.attnum = ANY(index.indkey)
                    AND NOT attribute.attnotnull
            )
    ) AS has_key
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.oid = %(oid)s
