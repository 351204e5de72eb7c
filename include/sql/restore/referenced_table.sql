-- The table to which a foreign key points.
SELECT target_space.nspname AS schema, target.relname AS table
FROM pg_catalog.pg_constraint AS key
JOIN pg_catalog.pg_class AS class ON class.oid = key.conrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_class AS target ON target.oid = key.confrelid
JOIN pg_catalog.pg_namespace AS target_space ON target_space.oid = target.relnamespace
WHERE space.nspname || '.' || class.relname = %(table)s AND key.conname = %(name)s AND key.contype = 'f'
