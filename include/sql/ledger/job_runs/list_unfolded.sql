-- Runs that have ended and that the statistics of their job have not taken in, the oldest first.
SELECT
    id, job_id, database_name, dry_run, started_at, finished_at, succeeded, crashed, rows, bytes, sqlerrcode,
    CASE WHEN action IN ('archive', 'delete') THEN output END AS told
FROM archiver.job_runs
WHERE
    folded_at IS NULL AND job_id IS NOT NULL AND source_database = %(source_database)s AND finished_at IS NOT NULL
ORDER BY id
LIMIT %(limit)s
