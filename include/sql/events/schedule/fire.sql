-- One event of operation SCHEDULE, the next start of its job and the record of the run, all or nothing. The binding of a
-- schedule names neither a table nor a channel, and is made by its first fire. Where it notes nothing, or nothing of this
-- database does, there is no row.
WITH here AS (
    SELECT binding_id, enabled AND suspended_at IS NULL AS notes
    FROM archiver.bindings
    WHERE job_id = %(job_id)s AND source IS NULL AND channel IS NULL AND removed_at IS NULL
    ORDER BY binding_id
    LIMIT 1
),
made AS (
    INSERT INTO archiver.bindings (job_id, job_name)
    SELECT job_id, job_name FROM archiver.jobs WHERE job_id = %(job_id)s AND NOT EXISTS (SELECT FROM here)
    RETURNING binding_id
),
noted AS (
    INSERT INTO archiver.incoming_events (binding_id, operation, key, payload)
    SELECT bound.binding_id, 'C', jsonb_build_object(), jsonb_build_object('due_at', %(due)s::timestamptz)
    FROM (SELECT binding_id FROM here WHERE notes UNION ALL SELECT binding_id FROM made) AS bound
    WHERE EXISTS (SELECT FROM archiver.capture WHERE enabled)
    RETURNING id, queued_at
),
fired AS (
    UPDATE archiver.job_state
    SET
        next_start = %(next_start)s,
        due_by = 'schedule',
        last_start = noted.queued_at,
        last_finish = noted.queued_at,
        last_successful_finish = noted.queued_at,
        last_run_success = true,
        total_runs = total_runs + 1,
        total_successes = total_successes + 1,
        consecutive_failures = 0,
        consecutive_crashes = 0
    FROM noted
    WHERE job_id = %(job_id)s AND database_name = current_database()
),
recorded AS (
    INSERT INTO archiver.job_runs (
        job_id, source_database, folded_at, database_name, job_name, source, action, subject, caused_by, started_at,
        finished_at, succeeded, output, pid, airflow_dag_id, airflow_run_id
    )
    SELECT
        job.job_id, current_database(), clock_timestamp(), current_database(), job.job_name, job.source, job.action,
        job.function_name, %(caused_by)s, noted.queued_at, noted.queued_at, true,
        'event ' || noted.id || ' is in the queue, and archiver.event_log says how it ended', pg_backend_pid(),
        %(dag_id)s, %(run_id)s
    FROM noted
    JOIN archiver.jobs AS job ON job.job_id = %(job_id)s
)
SELECT id, archiver.send_for_worker(), pg_notify('archiver_due', 'look') FROM noted
