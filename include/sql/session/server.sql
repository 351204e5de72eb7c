-- Which server answers. It changes no setting: behind a pooler a setting would outlive us, in a session of others.
-- Until the settings are pinned, names may mean anything, so every one here is qualified.
SELECT
    pg_catalog.pg_backend_pid() AS process,
    pg_catalog.pg_is_in_recovery() AS standby,
    pg_catalog.current_setting('default_transaction_read_only') AS read_only,
    pg_catalog.current_setting('session_replication_role') AS replication_role,
    pg_catalog.current_setting('server_version_num')::integer AS version
