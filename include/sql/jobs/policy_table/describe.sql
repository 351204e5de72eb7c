-- What stands under the name of a table of policies, and its columns with their types; of a domain, what it is made of.
SELECT
    class.oid,
    class.relkind::text AS kind,
    ARRAY(
        SELECT attribute.attname::text
        FROM pg_attribute AS attribute
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ORDER BY attribute.attnum
    ) AS columns,
    ARRAY(
        SELECT format_type(coalesce(nullif(type.typbasetype, 0), type.oid), NULL)
        FROM pg_attribute AS attribute
        JOIN pg_type AS type ON type.oid = attribute.atttypid
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ORDER BY attribute.attnum
    ) AS types
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %(schema)s AND class.relname = %(table)s
