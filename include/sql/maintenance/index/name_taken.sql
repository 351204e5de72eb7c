-- Indexes share their names with tables, views and sequences of their schema.
SELECT count(*) > 0 AS taken
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %(schema)s AND class.relname = %(name)s
