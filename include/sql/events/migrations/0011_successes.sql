-- When events of a job that asks `only_if_idle` last ended well, whatever its bindings log: a row for each job of which a
-- transaction has ended any. Workers only add rows, so that none of them waits for another; the sweep leaves the newest.
CREATE TABLE IF NOT EXISTS archiver.event_successes (
    job_id integer NOT NULL,
    started_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS event_successes_newest ON archiver.event_successes (job_id, started_at);

-- Ends events that have succeeded, or were discarded for what their message says, in the transaction of whoever worked, and
-- what was merged into them. Each is logged as its binding says. Returns how many of them were there.
CREATE OR REPLACE FUNCTION archiver.complete_events(
    ids bigint[], merged_ids bigint[], started_at timestamptz[], took_ms real[], messages text[], outputs text[],
    worker text
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ended integer;
BEGIN
    WITH gone AS (
        DELETE FROM archiver.events AS event WHERE event.id = ANY (complete_events.ids) RETURNING event.*
    ),
    run AS (
        SELECT
            gone.*, binding.job_id, binding.log, told.started_at, told.took_ms, told.message, told.output
        FROM gone
        JOIN archiver.bindings AS binding USING (binding_id)
        JOIN unnest(
            complete_events.ids, complete_events.started_at, complete_events.took_ms, complete_events.messages,
            complete_events.outputs
        ) AS told (id, started_at, took_ms, message, output) ON told.id = gone.id
    ),
    logged AS (
        INSERT INTO archiver.event_log (
            event_id, binding_id, operation, key, attempt, started_at, took_ms, succeeded, err_message, output, worker
        )
        SELECT
            run.id, run.binding_id, run.operation, run.key, least(run.attempts, 32766) + 1, run.started_at,
            run.took_ms, run.message IS NULL, left(run.message, 8192), left(run.output, 8192), complete_events.worker
        FROM run
        WHERE run.log = 'all' OR run.log = 'errors' AND run.message IS NOT NULL
    ),
    noted AS (
        INSERT INTO archiver.event_successes (job_id, started_at)
        SELECT job.job_id, max(run.started_at)
        FROM run
        JOIN archiver.jobs AS job USING (job_id)
        WHERE job.only_if_idle AND run.message IS NULL
        GROUP BY job.job_id
    )
    SELECT count(*) INTO ended FROM gone;
    DELETE FROM archiver.events AS event WHERE event.id = ANY (complete_events.merged_ids);
    DELETE FROM archiver.blocked_topics WHERE event_id = ANY (complete_events.ids);
    RETURN ended;
END
$$
