SELECT
    id, job_id, database_name, dry_run, started_at, finished_at, succeeded, crashed, rows, bytes, sqlerrcode
FROM archiver.job_runs
WHERE id = %(id)s AND finished_at IS NOT NULL
