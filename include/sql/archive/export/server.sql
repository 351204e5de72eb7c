-- Where and when the snapshot was taken. The system identifier is left out where the role may not ask for it.
SELECT
    current_database()::text AS database,
    current_setting('server_version') AS version,
    pg_current_snapshot()::text AS snapshot,
    clock_timestamp() AS read_at,
    has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify
