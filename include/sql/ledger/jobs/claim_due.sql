-- What is due, the longest first, is this run's alone: others skip what one of them looks at. What this run has taken
-- before, and not begun, is still its own: its task may have died before it could hand that on. What runs a function is
-- fired instead, by events/schedule/fire.
WITH due AS MATERIALIZED (
    SELECT state.job_id, state.database_name, job.job_name, job.action
    FROM archiver.job_state AS state
    JOIN archiver.jobs AS job USING (job_id)
    WHERE
        state.definition <> ''
        AND job.action <> 'function'
        AND CASE
            WHEN state.state = 'queued' THEN state.airflow_run_id = %(run_id)s
            WHEN %(run_now)s THEN state.state IN ('idle', 'exhausted')
            ELSE state.state = 'idle' AND job.scheduled AND state.next_start <= clock_timestamp()
        END
        AND (%(jobs)s::text[] IS NULL OR job.job_name = ANY(%(jobs)s))
        AND (%(databases)s::text[] IS NULL OR state.database_name = ANY(%(databases)s))
        AND (%(application)s::text IS NULL OR job.application_name = %(application)s)
    ORDER BY state.next_start, state.job_id, state.database_name
    LIMIT %(most)s
    FOR UPDATE OF state SKIP LOCKED
),
claimed AS (
    UPDATE archiver.job_state AS state
    SET state = 'queued', queued_at = clock_timestamp(), airflow_run_id = %(run_id)s
    FROM due
    WHERE state.job_id = due.job_id AND state.database_name = due.database_name
    RETURNING
        state.job_id, state.database_name, due.job_name, due.action, state.definition, state.next_start,
        CASE WHEN %(run_now)s THEN 'manual' ELSE state.due_by END AS caused_by
)
SELECT job_id, database_name, job_name, action, definition, next_start, caused_by
FROM claimed
ORDER BY next_start, job_id, database_name
