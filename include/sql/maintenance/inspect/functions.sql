-- Functions of extensions that look into tables and indexes, where they are installed and this role may call them.
SELECT function.proname AS name, space.nspname AS schema
FROM pg_catalog.pg_proc AS function
JOIN pg_catalog.pg_namespace AS space ON space.oid = function.pronamespace
JOIN pg_catalog.pg_depend AS member
    ON member.classid = 'pg_catalog.pg_proc'::regclass AND member.objid = function.oid AND member.deptype = 'e'
WHERE
    (function.proname, oidvectortypes(function.proargtypes)) IN (
        ('pgstattuple_approx', 'regclass'),
        ('pgstatindex', 'regclass'),
        ('pg_freespace', 'regclass, bigint'),
        ('bt_index_check', 'regclass, boolean')
    )
    AND has_function_privilege(function.oid, 'EXECUTE') AND has_schema_privilege(space.oid, 'USAGE')
