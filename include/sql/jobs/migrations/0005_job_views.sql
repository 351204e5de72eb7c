-- The views of the ledger with the jobs of this database in them, columns as they were: a job and database a line, by
-- its statistics, and what others did here by their runs. Owners of jobs read what their own runs said: of runs since the
-- job was made, for a number may have been another's before.
CREATE OR REPLACE VIEW archiver.job_stats AS
WITH runs AS (
    SELECT
        run.*,
        run.finished_at IS NULL AND EXISTS (
            SELECT FROM pg_catalog.pg_stat_activity AS activity
            WHERE activity.pid = run.pid AND activity.datname = current_database()
        ) AS running
    FROM archiver.job_runs AS run
    WHERE NOT run.dry_run AND run.source_database IS DISTINCT FROM current_database()
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY source, source_database, job_id, job_name, action, subject, running
            ORDER BY started_at DESC, id DESC
        ) AS recency
    FROM runs
)
SELECT
    job.job_id,
    job.job_name,
    job.application_name,
    coalesce(state.running_since, state.last_start) AS last_run_started_at,
    state.last_successful_finish,
    CASE
        WHEN state.last_run_success IS NULL THEN NULL
        WHEN state.last_run_success THEN 'Success'
        WHEN state.consecutive_crashes > 0 THEN 'Crashed'
        ELSE 'Failed'
    END AS last_run_status,
    CASE
        WHEN state.state = 'running' THEN 'Running'
        WHEN state.state = 'refused' THEN 'Refused'
        WHEN state.state = 'exhausted' THEN 'Exhausted'
        WHEN state.state = 'waiting' OR NOT job.scheduled THEN 'Paused'
        ELSE 'Scheduled'
    END AS job_status,
    CASE
        WHEN state.running_since IS NULL AND state.consecutive_crashes = 0 THEN state.last_finish - state.last_start
    END AS last_run_duration,
    CASE WHEN job.scheduled AND state.state NOT IN ('refused', 'exhausted') THEN state.next_start END AS next_start,
    coalesce(state.total_runs, 0) AS total_runs,
    coalesce(state.total_successes, 0) AS total_successes,
    coalesce(state.total_failures, 0) AS total_failures,
    coalesce(state.total_crashes, 0) AS total_crashes,
    state.reason,
    job.source,
    job.action,
    job.proc_schema || '.' || job.proc_name AS subject,
    coalesce(state.database_name, job.database_name, current_database()::text COLLATE "default") AS database_name,
    current_database()::text COLLATE "default" AS source_database,
    job.owner,
    coalesce(state.total_rows, 0) AS total_rows,
    coalesce(state.total_bytes, 0) AS total_bytes,
    coalesce(state.total_duration, '0') AS total_duration,
    coalesce(state.total_duration_failures, '0') AS total_duration_failures
FROM archiver.jobs AS job
LEFT JOIN archiver.job_state AS state USING (job_id)
UNION ALL
SELECT
    job_id,
    job_name,
    'archiver',
    max(started_at),
    max(finished_at) FILTER (WHERE succeeded),
    max(CASE WHEN finished_at IS NULL OR crashed THEN 'Crashed' WHEN succeeded THEN 'Success' ELSE 'Failed' END)
        FILTER (WHERE NOT running AND recency = 1),
    CASE WHEN bool_or(running) THEN 'Running' END,
    max(finished_at - started_at) FILTER (WHERE NOT running AND recency = 1 AND NOT crashed),
    NULL::timestamptz,
    count(*) FILTER (WHERE NOT running),
    count(*) FILTER (WHERE succeeded),
    count(*) FILTER (WHERE NOT succeeded AND NOT crashed),
    count(*) FILTER (WHERE NOT running AND (finished_at IS NULL OR crashed)),
    NULL::text,
    source,
    action,
    subject,
    min(database_name),
    source_database,
    NULL::name,
    coalesce(sum(rows), 0)::bigint,
    coalesce(sum(bytes), 0)::bigint,
    coalesce(sum(finished_at - started_at) FILTER (WHERE NOT crashed), '0'),
    coalesce(sum(finished_at - started_at) FILTER (WHERE NOT succeeded AND NOT crashed), '0')
FROM numbered
GROUP BY source, source_database, job_id, job_name, action, subject;

CREATE OR REPLACE VIEW archiver.job_errors WITH (security_barrier) AS
SELECT
    run.job_id,
    run.started_at AS start_time,
    run.finished_at AS finish_time,
    run.sqlerrcode,
    coalesce(run.err_message, CASE WHEN run.crashed THEN 'its process died' END) AS err_message,
    run.job_name,
    run.source,
    run.source_database,
    run.action,
    run.subject,
    run.database_name,
    run.pid,
    run.output,
    run.id AS run_id
FROM archiver.job_runs AS run
LEFT JOIN archiver.jobs AS job
    ON job.job_id = run.job_id AND run.source_database = current_database() AND run.started_at >= job.created_at
WHERE
    run.finished_at IS NOT NULL
    AND (run.crashed OR NOT run.succeeded)
    AND (
        pg_has_role(
            current_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'archiver.job_runs'::regclass), 'USAGE'
        )
        OR pg_has_role(
            current_user, (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()), 'USAGE'
        )
        OR coalesce(pg_has_role(current_user, to_regrole(quote_ident(job.owner))::oid, 'USAGE'), false)
    );

CREATE OR REPLACE VIEW archiver.job_history WITH (security_barrier) AS
SELECT
    run.id,
    run.job_id,
    run.job_name,
    run.source,
    run.source_database,
    run.action,
    run.subject,
    run.database_name,
    run.caused_by,
    run.dry_run,
    run.started_at,
    run.finished_at,
    run.finished_at - run.started_at AS duration,
    CASE
        WHEN run.finished_at IS NULL AND EXISTS (
            SELECT FROM pg_catalog.pg_stat_activity AS activity
            WHERE activity.pid = run.pid AND activity.datname = current_database()
        ) THEN 'Running'
        WHEN run.crashed THEN 'Crashed'
        WHEN run.succeeded THEN 'Success'
        ELSE 'Failed'
    END AS status,
    run.rows,
    run.bytes,
    run.sqlerrcode,
    CASE WHEN rights.may_read THEN run.err_message END AS err_message,
    CASE WHEN rights.may_read THEN run.output END AS output,
    run.pid,
    run.worker,
    run.airflow_dag_id,
    run.airflow_run_id
FROM archiver.job_runs AS run
LEFT JOIN archiver.jobs AS job
    ON job.job_id = run.job_id AND run.source_database = current_database() AND run.started_at >= job.created_at
CROSS JOIN LATERAL (
    SELECT
        pg_has_role(
            current_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'archiver.job_runs'::regclass), 'USAGE'
        )
        OR pg_has_role(
            current_user, (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()), 'USAGE'
        )
        OR coalesce(pg_has_role(current_user, to_regrole(quote_ident(job.owner))::oid, 'USAGE'), false) AS may_read
) AS rights
