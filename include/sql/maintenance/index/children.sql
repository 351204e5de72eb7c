-- The partitions, and other children, directly below a table.
SELECT class.oid, space.nspname AS schema, class.relname AS name, class.relkind::text AS kind
FROM pg_catalog.pg_inherits AS inherits
JOIN pg_catalog.pg_class AS class ON class.oid = inherits.inhrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE inherits.inhparent = %(oid)s AND class.relkind IN ('r', 'p')
ORDER BY space.nspname, class.relname
