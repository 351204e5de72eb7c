-- How far the statement of this process has come, in percent of its phase where the server says.
SELECT
    running.command,
    running.phase,
    CASE WHEN running.total > 0 THEN least(100, 100 * running.done / running.total)::integer END AS percent
FROM (
    SELECT
        pid,
        command,
        phase,
        CASE WHEN phase LIKE 'waiting%%' THEN lockers_done WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END AS done,
        CASE
            WHEN phase LIKE 'waiting%%' THEN lockers_total WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total
        END AS total
    FROM pg_catalog.pg_stat_progress_create_index
    UNION ALL
    SELECT pid, 'VACUUM', phase, heap_blks_scanned, heap_blks_total FROM pg_catalog.pg_stat_progress_vacuum
    UNION ALL
    SELECT pid, command, phase, heap_blks_scanned, heap_blks_total FROM pg_catalog.pg_stat_progress_cluster
    UNION ALL
    SELECT pid, 'ANALYZE', phase, sample_blks_scanned, sample_blks_total FROM pg_catalog.pg_stat_progress_analyze
) AS running
WHERE running.pid = %(process)s
