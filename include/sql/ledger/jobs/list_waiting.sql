-- The jobs that wait for a person's approval, with what they would do.
SELECT
    state.job_id, state.database_name, state.definition, job.job_name, job.action, job.owner, job.proc_schema,
    job.proc_name, job.function_name
FROM archiver.job_state AS state
JOIN archiver.jobs AS job USING (job_id)
WHERE state.state = 'waiting' AND job.scheduled
ORDER BY state.job_id, state.database_name
