-- By what a database is known beside its address. A copy of its files has the same oid and system identifier.
SELECT
    oid::bigint AS oid,
    has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify
FROM pg_catalog.pg_database
WHERE datname = current_database()
