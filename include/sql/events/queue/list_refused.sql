-- The jobs that are refused, with how many of their events have waited for ten minutes or longer.
SELECT job.job_name, count(*) AS events
FROM archiver.events AS event
JOIN archiver.bindings AS binding USING (binding_id)
JOIN archiver.jobs AS job USING (job_id)
JOIN archiver.job_state AS state ON state.job_id = job.job_id AND state.database_name = current_database()
WHERE state.state = 'refused' AND event.queued_at < clock_timestamp() - interval '10 minutes'
GROUP BY job.job_name
ORDER BY job.job_name
