-- What is due and has been taken by nobody.
SELECT count(*) AS due
FROM archiver.job_state AS state
JOIN archiver.jobs AS job USING (job_id)
WHERE state.definition <> '' AND state.state = 'idle' AND job.scheduled AND state.next_start <= clock_timestamp()
