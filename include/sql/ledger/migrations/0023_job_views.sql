-- What was done here, for people and for programs that know TimescaleDB's views: job_stats, job_errors, job_history. Where
-- this database has jobs of its own, the stream of the jobs puts them into the same views, with the same columns. A
-- rehearsal counts nowhere. A row without an end is at work while the server process that wrote it is there. The views'
-- conditions say who sees what may hold rows: members of the ledger's owner and of the database's.
CREATE OR REPLACE VIEW archiver.job_stats AS
WITH runs AS (
    SELECT
        run.*,
        run.finished_at IS NULL AND EXISTS (
            SELECT FROM pg_catalog.pg_stat_activity AS activity
            WHERE activity.pid = run.pid AND activity.datname = current_database()
        ) AS running
    FROM archiver.job_runs AS run
    WHERE NOT run.dry_run
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
    job_id,
    job_name,
    'archiver'::text AS application_name,
    max(started_at) AS last_run_started_at,
    max(finished_at) FILTER (WHERE succeeded) AS last_successful_finish,
    max(CASE WHEN finished_at IS NULL OR crashed THEN 'Crashed' WHEN succeeded THEN 'Success' ELSE 'Failed' END)
        FILTER (WHERE NOT running AND recency = 1) AS last_run_status,
    CASE WHEN bool_or(running) THEN 'Running' END AS job_status,
    max(finished_at - started_at) FILTER (WHERE NOT running AND recency = 1 AND NOT crashed) AS last_run_duration,
    NULL::timestamptz AS next_start,
    count(*) FILTER (WHERE NOT running) AS total_runs,
    count(*) FILTER (WHERE succeeded) AS total_successes,
    count(*) FILTER (WHERE NOT succeeded AND NOT crashed) AS total_failures,
    count(*) FILTER (WHERE NOT running AND (finished_at IS NULL OR crashed)) AS total_crashes,
    NULL::text AS reason,
    source,
    action,
    subject,
    min(database_name) AS database_name,
    source_database,
    NULL::name AS owner,
    coalesce(sum(rows), 0)::bigint AS total_rows,
    coalesce(sum(bytes), 0)::bigint AS total_bytes,
    coalesce(sum(finished_at - started_at) FILTER (WHERE NOT crashed), '0') AS total_duration,
    coalesce(sum(finished_at - started_at) FILTER (WHERE NOT succeeded AND NOT crashed), '0') AS total_duration_failures
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
CROSS JOIN LATERAL (
    SELECT
        pg_has_role(
            current_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'archiver.job_runs'::regclass), 'USAGE'
        )
        OR pg_has_role(
            current_user, (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()), 'USAGE'
        ) AS may_read
) AS rights
