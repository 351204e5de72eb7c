SELECT
    id, job_id, database_name, dry_run, started_at, finished_at, succeeded, crashed, rows, bytes, sqlerrcode,
    CASE WHEN action IN ('archive', 'delete') THEN output END AS told
FROM archiver.job_runs
WHERE id = %(id)s AND finished_at IS NOT NULL
