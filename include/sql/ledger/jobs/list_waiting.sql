-- The jobs that wait for a person's approval, with what they would do.
SELECT
    state.job_id, state.database_name, state.definition, job.job_name, job.action, job.owner, job.proc_schema,
    job.proc_name, job.function_name, job.config ->> 'table' AS table_name, job.config ->> 'keep_days' AS keep_days,
    state.reason
FROM archiver.job_state AS state
JOIN archiver.jobs AS job USING (job_id)
WHERE state.state = 'waiting' AND job.scheduled
ORDER BY state.job_id, state.database_name
