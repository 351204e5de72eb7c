-- How many jobs a run of Airflow took ten minutes ago or longer that have not begun, while none of this database is at
-- work: where a pool is missing no task ever begins.
SELECT count(*) AS jobs
FROM archiver.job_state
WHERE
    state = 'queued' AND queued_at < clock_timestamp() - interval '10 minutes'
    AND NOT EXISTS (SELECT FROM archiver.job_state AS other WHERE other.state = 'running')
