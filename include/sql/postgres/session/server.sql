-- Which server answers. It changes no setting: behind a pooler a setting would outlive us, in a session of others.
SELECT
    pg_catalog.pg_backend_pid() AS process,
    pg_catalog.current_setting('server_version_num')::integer AS version
