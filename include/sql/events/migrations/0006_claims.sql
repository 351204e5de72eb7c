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
    UPDATE archiver.events SET available_at = NULL
    WHERE id IN (
        SELECT id FROM archiver.events WHERE available_at <= clock_timestamp() ORDER BY available_at LIMIT most
        FOR UPDATE SKIP LOCKED
    );

    SELECT * INTO state FROM archiver.intake;
    is_settled := coalesce(state.horizon <= pg_snapshot_xmin(pg_current_snapshot()), false);
    behind := CASE WHEN state.whole_at < clock_timestamp() - interval '1 minute' THEN 0 ELSE state.settled END;
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest FROM archiver.incoming_events_id_seq;
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
    IF state.horizon IS NULL THEN
        state.reached := CASE WHEN taken < most THEN newest ELSE last_taken END;
        -- A later snapshot than that in which the numbers were read: whoever has one of them is below it.
        state.horizon := pg_snapshot_xmax(pg_current_snapshot());
    END IF;
    UPDATE archiver.intake
    SET settled = state.settled, reached = state.reached, horizon = state.horizon, whole_at = state.whole_at
    WHERE ROW(settled, reached, horizon, whole_at)
        IS DISTINCT FROM ROW(state.settled, state.reached, state.horizon, state.whole_at);
    RETURN taken;
END
$$;

-- The bindings whose events may run, if they are in turn: their jobs are neither paused nor refused, nor wait for a person.
CREATE OR REPLACE VIEW archiver.runnable_bindings AS
SELECT binding.binding_id, job.function_name
FROM archiver.bindings AS binding
JOIN archiver.jobs AS job USING (job_id)
WHERE
    binding.enabled AND job.action = 'function' AND job.scheduled
    AND NOT EXISTS (
        SELECT FROM archiver.job_state AS state
        WHERE state.job_id = job.job_id AND state.state IN ('refused', 'waiting')
    );

-- Takes what may run of a lane, for the transaction of whoever calls this: at most so many, in order, behind a place in
-- the queue. Nobody waits for another: what is locked is passed over. An event of a topic comes only if all before it are
-- gone, or come too. Events whose worker died, and those with a transaction of their own, come alone.
-- What comes with `claimed` false was looked at and may not run: the caller goes on behind it, and passes its topic with
-- `passed_topics` until it begins at the front again. `functions` are those that the caller knows, null for all.
-- `done_topics` and `done_turns` say up to where the caller has worked off topics: nothing before is there again.
-- Where a binding merges, one event stands for those of the same key behind it, which are in merged_ids; it keeps its
-- number, and what it says is what the last of them says.
CREATE OR REPLACE FUNCTION archiver.claim_events(
    lane integer, lanes integer, most integer, after_priority integer, after_turn bigint, passed_topics bigint[],
    functions text[], done_topics bigint[], done_turns bigint[]
) RETURNS TABLE (
    claimed boolean, priority smallint, turn bigint, topic_hash bigint, id bigint, merged_ids bigint[], is_own boolean,
    function_name text, config text, source text, channel text, operation text, topic text, key text, old_key text, payload text, truncated boolean, attempts smallint,
    crashes smallint, max_attempts smallint, queued_at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
    runnable integer[] := ARRAY(
        SELECT binding_id FROM archiver.runnable_bindings WHERE functions IS NULL OR function_name = ANY (functions)
    );
    candidate record;
    said record;
    merged bigint[] := '{}';
    others bigint[];
    found_any boolean := false;
BEGIN
    FOR candidate IN
        WITH candidates AS MATERIALIZED (
            SELECT event.*
            FROM archiver.events AS event
            WHERE
                event.available_at IS NULL
                AND (event.priority, event.turn) > (after_priority, after_turn)
                AND event.binding_id = ANY (runnable)
                AND (coalesce(event.topic_hash, event.turn) & 9223372036854775807) % lanes = lane
                AND (
                    event.topic_hash IS NULL
                    OR event.topic_hash NOT IN (SELECT unnest(passed_topics))
                    AND event.topic_hash NOT IN (
                        SELECT blocked.topic_hash FROM archiver.blocked_topics AS blocked
                        WHERE blocked.until > clock_timestamp()
                    )
                )
            ORDER BY event.priority, event.turn
            LIMIT most
            FOR UPDATE OF event SKIP LOCKED
        ),
        topics AS MATERIALIZED (
            SELECT one.topic_hash, one.events, coalesce(done.turn, 0) AS done_turn
            FROM (
                SELECT candidates.topic_hash, count(*) AS events
                FROM candidates
                WHERE candidates.topic_hash IS NOT NULL
                GROUP BY candidates.topic_hash
            ) AS one
            LEFT JOIN unnest(done_topics, done_turns) AS done (topic_hash, turn) USING (topic_hash)
        ),
        -- The first events of each of these topics, as many as are here of it: in order is what is the n-th of both.
        firsts AS MATERIALIZED (
            SELECT topics.topic_hash, first.turn, first.place
            FROM topics
            CROSS JOIN LATERAL (
                SELECT event.turn, row_number() OVER (ORDER BY event.turn) AS place
                FROM archiver.events AS event
                WHERE event.topic_hash = topics.topic_hash AND event.turn > topics.done_turn
                ORDER BY event.turn
                LIMIT topics.events
            ) AS first
        ),
        numbered AS (
            SELECT
                candidates.*,
                row_number() OVER (PARTITION BY candidates.topic_hash ORDER BY candidates.turn) AS place
            FROM candidates
        )
        SELECT
            numbered.*, numbered.topic_hash IS NULL OR firsts.turn IS NOT NULL AS in_order,
            numbered.crashes > 0 OR binding.transaction = 'own' AS is_alone, binding.transaction = 'own' AS is_own,
            binding.merge, binding.source, binding.channel, binding.max_attempts, job.function_name,
            job.config::text AS config
        FROM numbered
        JOIN archiver.bindings AS binding USING (binding_id)
        JOIN archiver.jobs AS job ON job.job_id = binding.job_id
        LEFT JOIN firsts USING (topic_hash, turn, place)
        ORDER BY numbered.priority, numbered.turn
    LOOP
        CONTINUE WHEN candidate.id = ANY (merged);
        IF
            NOT candidate.in_order
            OR candidate.is_own AND NOT found_any AND NOT pg_try_advisory_lock(
                hashtextextended('archiver event ' || candidate.id, 0)
            )
        THEN
            claimed := false;
            priority := candidate.priority;
            turn := candidate.turn;
            topic_hash := candidate.topic_hash;
            RETURN NEXT;
            CONTINUE;
        END IF;
        EXIT WHEN candidate.is_alone AND found_any;

        said := candidate;
        others := '{}';
        IF candidate.merge THEN
            others := ARRAY(
                SELECT event.id
                FROM archiver.events AS event
                WHERE
                    event.topic_hash = candidate.topic_hash AND event.turn > candidate.turn
                    AND event.binding_id = candidate.binding_id AND event.key = candidate.key AND event.available_at IS NULL
                ORDER BY event.turn
                LIMIT 1000
                FOR UPDATE SKIP LOCKED
            );
            IF cardinality(others) > 0 THEN
                SELECT event.* INTO said FROM archiver.events AS event WHERE event.id = others[cardinality(others)];
                merged := merged || others;
            END IF;
        END IF;
        claimed := true;
        priority := candidate.priority;
        turn := candidate.turn;
        topic_hash := candidate.topic_hash;
        id := candidate.id;
        merged_ids := others;
        is_own := candidate.is_own;
        function_name := candidate.function_name;
        config := candidate.config;
        source := candidate.source::regclass::text;
        channel := candidate.channel;
        operation := said.operation;
        topic := said.topic;
        key := said.key::text;
        old_key := said.old_key::text;
        payload := said.payload::text;
        truncated := said.truncated;
        attempts := candidate.attempts;
        crashes := candidate.crashes;
        max_attempts := candidate.max_attempts;
        queued_at := said.queued_at;
        RETURN NEXT;
        EXIT WHEN candidate.is_alone;
        found_any := true;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION archiver.take_in_events FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.claim_events FROM PUBLIC
