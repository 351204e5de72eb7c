-- Jobs that have failed as often as they may, and wait for a person.
SELECT state.job_id, job.job_name, state.database_name, state.reason
FROM archiver.job_state AS state
JOIN archiver.jobs AS job USING (job_id)
WHERE state.state = 'exhausted' AND job.scheduled
ORDER BY job.job_name, state.database_name
