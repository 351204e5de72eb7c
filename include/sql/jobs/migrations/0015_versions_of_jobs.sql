-- Of a job that keeps the last versions: what binds, of all that keeps some, as its last run that succeeded has found it; and
-- the highest version that went when any went last. `total_keys` counts the keys whose events were worked off.
ALTER TABLE archiver.job_state
    ADD COLUMN IF NOT EXISTS kept_by text,
    ADD COLUMN IF NOT EXISTS highest_version text,
    ADD COLUMN IF NOT EXISTS total_keys bigint NOT NULL DEFAULT 0;

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
    CASE
        WHEN job.action IN ('archive', 'delete') THEN job.config ->> 'table'
        ELSE job.proc_schema || '.' || job.proc_name
    END AS subject,
    coalesce(state.database_name, job.database_name, current_database()::text COLLATE "default") AS database_name,
    current_database()::text COLLATE "default" AS source_database,
    job.owner,
    coalesce(state.total_rows, 0) AS total_rows,
    coalesce(state.total_bytes, 0) AS total_bytes,
    coalesce(state.total_duration, '0') AS total_duration,
    coalesce(state.total_duration_failures, '0') AS total_duration_failures,
    state.kept_by,
    state.highest_version,
    coalesce(state.total_keys, 0) AS total_keys
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
    coalesce(sum(finished_at - started_at) FILTER (WHERE NOT succeeded AND NOT crashed), '0'),
    NULL::text,
    NULL::text,
    0::bigint
FROM numbered
GROUP BY source, source_database, job_id, job_name, action, subject
