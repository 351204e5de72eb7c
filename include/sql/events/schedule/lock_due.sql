-- The jobs of functions that are due in this database, the longest first; nobody else fires them before this transaction
-- ends.
SELECT
    state.job_id, state.next_start, clock_timestamp() AS now,
    CASE WHEN %(run_now)s THEN 'manual' ELSE state.due_by END AS caused_by, state.definition
FROM archiver.job_state AS state
JOIN archiver.jobs AS job USING (job_id)
WHERE
    job.action = 'function'
    AND state.database_name = current_database()
    AND state.definition <> ''
    AND state.state = 'idle'
    AND CASE WHEN %(run_now)s THEN true ELSE job.scheduled AND state.next_start <= clock_timestamp() END
    AND (%(jobs)s::text[] IS NULL OR job.job_name = ANY(%(jobs)s))
    AND (%(databases)s::text[] IS NULL OR state.database_name = ANY(%(databases)s))
    AND (%(application)s::text IS NULL OR job.application_name = %(application)s)
ORDER BY state.next_start, state.job_id
LIMIT %(most)s
FOR UPDATE OF state SKIP LOCKED
