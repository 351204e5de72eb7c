-- Whether pglogical is in this database, with its sets of tables.
SELECT count(*) = 2 AS found
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = 'pglogical' AND class.relname IN ('replication_set', 'replication_set_table')
