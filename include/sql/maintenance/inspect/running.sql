-- What the server is doing to the table, or to one of its parts, at this moment.
SELECT progress.pid, progress.command, progress.phase, class.relname AS name
FROM (
    SELECT pid, datid, relid, command, phase FROM pg_catalog.pg_stat_progress_create_index
    UNION ALL
    SELECT pid, datid, relid, 'VACUUM', phase FROM pg_catalog.pg_stat_progress_vacuum
    UNION ALL
    SELECT pid, datid, relid, command, phase FROM pg_catalog.pg_stat_progress_cluster
    UNION ALL
    SELECT pid, datid, relid, 'ANALYZE', phase FROM pg_catalog.pg_stat_progress_analyze
) AS progress
JOIN pg_catalog.pg_class AS class ON class.oid = progress.relid
WHERE
    progress.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND progress.relid = ANY(%(oids)s::oid[]) AND progress.pid <> pg_backend_pid()
ORDER BY progress.pid
