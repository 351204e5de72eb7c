-- A batch of what is older than it is kept for, the oldest first. What has no end, or was not taken into the statistics
-- of its job, stays: of a job that is gone it stays twice as long. Of DAGs there are few, and no other statistics.
DELETE FROM archiver.job_runs
WHERE id IN (
    SELECT id
    FROM archiver.job_runs
    WHERE
        started_at < clock_timestamp() - %(keep)s::interval
        AND finished_at IS NOT NULL
        AND CASE
            WHEN job_id IS NULL THEN started_at < clock_timestamp() - %(keep_of_dags)s::interval
            ELSE folded_at IS NOT NULL OR started_at < clock_timestamp() - 2 * %(keep)s::interval
        END
    ORDER BY started_at
    LIMIT %(most)s
)
