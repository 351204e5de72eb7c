-- The bindings whose events somebody is to work on: their jobs are neither paused nor refused, nor wait for a person.
SELECT binding.binding_id
FROM archiver.bindings AS binding
JOIN archiver.jobs AS job USING (job_id)
LEFT JOIN archiver.job_state AS state ON state.job_id = job.job_id AND state.database_name = current_database()
WHERE
    binding.enabled AND job.action = 'function' AND job.scheduled
    AND coalesce(state.state NOT IN ('refused', 'waiting'), true)
