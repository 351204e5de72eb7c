-- Where and when the snapshot was taken.
SELECT
    current_database()::text AS database,
    current_setting('server_version') AS version,
    pg_current_snapshot()::text AS snapshot,
    clock_timestamp() AS read_at
