-- The table by its exact name; rights are asked of each of its parts.
SELECT class.oid, class.relkind::text AS kind
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %(schema)s AND class.relname = %(table)s
