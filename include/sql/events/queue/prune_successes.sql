-- A batch of what a later success of the same job has made needless, or whose job is gone.
DELETE FROM archiver.event_successes
WHERE ctid = ANY(
    ARRAY(
        SELECT old.ctid
        FROM archiver.event_successes AS old
        WHERE
            EXISTS (
                SELECT FROM archiver.event_successes AS newer
                WHERE newer.job_id = old.job_id AND newer.started_at > old.started_at
            )
            OR NOT EXISTS (SELECT FROM archiver.jobs AS job WHERE job.job_id = old.job_id)
        LIMIT %(most)s
    )
)
