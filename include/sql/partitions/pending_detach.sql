-- A partition of this parent whose concurrent detach was broken off: until that is ended, no other one can be detached.
SELECT inherits.inhrelid AS oid, space.nspname AS schema, class.relname AS name
FROM pg_catalog.pg_inherits AS inherits
JOIN pg_catalog.pg_class AS class ON class.oid = inherits.inhrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_class AS parent ON parent.oid = inherits.inhparent
JOIN pg_catalog.pg_namespace AS parent_space ON parent_space.oid = parent.relnamespace
WHERE parent_space.nspname = %(schema)s AND parent.relname = %(table)s AND inherits.inhdetachpending
