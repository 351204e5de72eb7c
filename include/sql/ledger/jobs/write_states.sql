-- What a plan has worked out, for any number of jobs at once. One that is taken or at work is left alone, as is what
-- somebody has asked for before there was a plan; one whose job is gone is forgotten. Whoever waits for due jobs hears of
-- it.
WITH planned AS (
    SELECT change.*
    FROM unnest(
        %(job_ids)s::integer[], %(databases)s::text[], %(definitions)s::text[], %(states)s::text[], %(reasons)s::text[],
        %(next_starts)s::timestamptz[]
    ) AS change (job_id, database_name, definition, state, reason, next_start)
),
there AS (
    SELECT job_id
    FROM archiver.jobs
    WHERE job_id IN (SELECT job_id FROM planned)
    ORDER BY job_id
    FOR KEY SHARE
),
written AS (
    INSERT INTO archiver.job_state AS before (job_id, database_name, definition, state, reason, next_start)
    SELECT job_id, database_name, definition, state, reason, next_start
    FROM planned
    JOIN there USING (job_id)
    ON CONFLICT (job_id, database_name) DO UPDATE
    SET
        definition = excluded.definition,
        state = excluded.state,
        reason = excluded.reason,
        next_start = CASE
            WHEN before.definition = '' AND before.next_start IS NOT NULL AND excluded.state = 'idle'
                THEN before.next_start
            ELSE excluded.next_start
        END,
        due_by = CASE
            WHEN before.definition = '' AND before.next_start IS NOT NULL AND excluded.state = 'idle'
                THEN before.due_by
            ELSE 'schedule'
        END
    WHERE before.state NOT IN ('queued', 'running')
    RETURNING next_start
)
SELECT count(*) AS written, (SELECT pg_notify('archiver_due', 'look') FROM written WHERE next_start IS NOT NULL LIMIT 1)
FROM written
