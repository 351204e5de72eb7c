-- An event that stands for others of its key steps over none of them. One that another worker had locked for a while was left
-- out, and those behind it were not: what it said came after what a later one had said.

-- Takes what may run of a lane, for the transaction of whoever calls this: at most so many, in order, behind a place in
-- the queue. Nobody waits for another: what is locked is passed over. An event of a topic comes only if all before it are
-- gone, or come too. Events whose worker died, and those with a transaction of their own, come alone.
-- What comes with `claimed` false was looked at and may not run: the caller goes on behind it, and passes its topic with
-- `passed_topics` until it begins at the front again. `functions` are those that the caller knows, null for all.
-- `done_topics` and `done_turns` say up to where the caller has worked off topics: nothing before is there again.
-- Where a binding merges, one event stands for those of the same key behind it, which are in merged_ids; it keeps its
-- number, and what it says is what the last of them says. None stands for one behind another that it does not stand for.
-- `max_runtime_seconds` is how long a call may take by the job of the event, null where that says nothing.
CREATE OR REPLACE FUNCTION archiver.claim_events(
    lane integer, lanes integer, most integer, after_priority integer, after_turn bigint, passed_topics bigint[],
    functions text[], done_topics bigint[], done_turns bigint[]
) RETURNS TABLE (
    claimed boolean, priority smallint, turn bigint, topic_hash bigint, id bigint, merged_ids bigint[], is_own boolean,
    function_name text, config text, source text, channel text, operation text, topic text, key text, old_key text, payload text, truncated boolean, attempts smallint,
    crashes smallint, max_attempts smallint, queued_at timestamptz, max_runtime_seconds double precision
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
            binding.merge, binding.source, binding.channel, binding.max_attempts, job.function_name, job.max_runtime,
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
            -- In order is what is the n-th of those there are, and of those that are free: whatever is behind one that somebody
            -- has locked, or that waits, would else be said before it.
            others := ARRAY(
                SELECT held.id
                FROM (
                    SELECT event.id, row_number() OVER (ORDER BY event.turn) AS place
                    FROM archiver.events AS event
                    WHERE
                        event.topic_hash = candidate.topic_hash AND event.turn > candidate.turn
                        AND event.binding_id = candidate.binding_id AND event.key = candidate.key
                    ORDER BY event.turn
                    LIMIT cardinality(others)
                ) AS every
                JOIN unnest(others) WITH ORDINALITY AS held (id, place) USING (id, place)
                ORDER BY held.place
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
        max_runtime_seconds := nullif(extract(EPOCH FROM candidate.max_runtime), 0);
        RETURN NEXT;
        EXIT WHEN candidate.is_alone;
        found_any := true;
    END LOOP;
END
$$;
