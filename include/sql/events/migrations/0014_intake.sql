-- What is committed while others are taken in is no longer passed over for a minute. The horizon of what was reached was the
-- snapshot's end, which lies behind the latest transaction that has ended: one that still ran could be above it.

-- Takes what the triggers wrote into the queue, the oldest first, and what has waited long enough among what may run now.
-- One taker at a time, until its transaction ends: so turns are given in the order in which they become visible, and an
-- event that was written after another one was committed has the higher one. It commits without waiting for the disk:
-- what a crash of the server takes back is where it was. So it has a transaction of its own.
-- Numbers up to `settled` are not looked for again, but once a minute; see archiver.intake.
-- Returns how many it took, null where somebody else is at it.
CREATE OR REPLACE FUNCTION archiver.take_in_events(most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    state archiver.intake;
    is_first boolean;
    behind bigint;
    is_settled boolean;
    taken integer;
    last_taken bigint;
    newest bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('archiver events taken in', 0)) THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    -- Whoever has a number up to this one has begun before this transaction gets its own, if it has none yet: the snapshot's
    -- end does not tell, since it is behind the latest transaction that has ended, and a later one may run.
    is_first := pg_current_xact_id_if_assigned() IS NULL;
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest FROM archiver.incoming_events_id_seq;
    UPDATE archiver.events SET available_at = NULL
    WHERE id IN (
        SELECT id FROM archiver.events WHERE available_at <= clock_timestamp() ORDER BY available_at LIMIT most
        FOR UPDATE SKIP LOCKED
    );

    SELECT * INTO state FROM archiver.intake;
    is_settled := coalesce(state.horizon <= pg_snapshot_xmin(pg_current_snapshot()), false);
    behind := CASE WHEN state.whole_at < clock_timestamp() - interval '1 minute' THEN 0 ELSE state.settled END;
    WITH gone AS (
        DELETE FROM archiver.incoming_events
        WHERE id IN (SELECT id FROM archiver.incoming_events WHERE id > behind ORDER BY id LIMIT most)
        RETURNING *
    ),
    told AS (
        SELECT
            gone.*, binding.queue, binding.priority, binding.delay,
            CASE
                WHEN binding.topic <> '' AND binding.topic NOT LIKE '.%' THEN binding.topic
                WHEN gone.operation = 'T' OR coalesce(topic_values.are_null, true) THEN '#' || binding.binding_id
                ELSE '#' || binding.binding_id || topic_values.list::text
            END AS whole_topic
        FROM gone
        JOIN archiver.bindings AS binding USING (binding_id)
        CROSS JOIN LATERAL (
            SELECT
                jsonb_agg(part.value ORDER BY part.place) AS list, bool_and(jsonb_typeof(part.value) = 'null') AS are_null
            FROM (
                SELECT coalesce(gone.topic -> (name.place - 1)::integer, gone.key -> name.name, 'null') AS value, name.place
                FROM unnest(archiver.split_topic(binding.topic)) WITH ORDINALITY AS name (name, place)
            ) AS part
        ) AS topic_values
    ),
    written AS (
        INSERT INTO archiver.events (
            id, queued_at, available_at, topic_hash, binding_id, priority, truncated, operation, topic, key, old_key,
            payload
        )
        SELECT
            told.id, told.queued_at,
            CASE WHEN told.delay > interval '0' THEN told.queued_at + told.delay END,
            CASE WHEN told.queue THEN hashtextextended(short.topic, 0) END,
            told.binding_id, told.priority, coalesce(told.truncated, false),
            CASE told.operation
                WHEN 'I' THEN 'INSERT' WHEN 'U' THEN 'UPDATE' WHEN 'D' THEN 'DELETE' WHEN 'T' THEN 'TRUNCATE'
                WHEN 'S' THEN 'SEND' ELSE 'SCHEDULE'
            END,
            short.topic, told.key, told.old_key, told.payload
        FROM told
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN octet_length(told.whole_topic) <= 1000 THEN told.whole_topic
                ELSE '#' || told.binding_id || ' sha256:'
                    || encode(sha256(convert_to(told.whole_topic, getdatabaseencoding())), 'hex')
            END AS topic
        ) AS short
        ORDER BY told.id
    )
    SELECT count(*), max(id) INTO taken, last_taken FROM gone;

    IF behind = 0 AND taken < most THEN
        state.whole_at := clock_timestamp();
    END IF;
    -- What was noted as reached is settled only now, after all that its transactions have left was taken.
    IF is_settled AND (taken < most OR last_taken >= state.reached) THEN
        state.settled := state.reached;
        state.horizon := NULL;
    END IF;
    IF state.horizon IS NULL AND is_first THEN
        state.reached := CASE WHEN taken < most THEN newest ELSE last_taken END;
        state.horizon := pg_current_xact_id();
    END IF;
    UPDATE archiver.intake
    SET settled = state.settled, reached = state.reached, horizon = state.horizon, whole_at = state.whole_at
    WHERE ROW(settled, reached, horizon, whole_at)
        IS DISTINCT FROM ROW(state.settled, state.reached, state.horizon, state.whole_at);
    RETURN taken;
END
$$;
