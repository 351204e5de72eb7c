-- A worker has two sessions: the one in which functions run, and that of its notes. Both hold the lock of its number, since
-- a function may give up all locks of its own session; it lives as long as one of them does.
CREATE OR REPLACE FUNCTION archiver.begin_worker(host text, airflow_run_id text, lane integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    number bigint := nextval(pg_get_serial_sequence('archiver.workers', 'worker_id'));
BEGIN
    PERFORM archiver.join_worker(number);
    INSERT INTO archiver.workers (worker_id, host, airflow_run_id, lane)
    OVERRIDING SYSTEM VALUE VALUES (number, begin_worker.host, begin_worker.airflow_run_id, begin_worker.lane);
    RETURN number;
END
$$;

CREATE OR REPLACE FUNCTION archiver.join_worker(worker_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_advisory_lock_shared(hashtextextended('archiver events worker ' || worker_id, 0))
$$;

-- Notes what a worker has in hand, from another session than that in which it works, and without waiting for the disk.
CREATE OR REPLACE FUNCTION archiver.note_in_hand(worker_id bigint, ids bigint[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE archiver.workers AS worker
    SET in_hand = ids, in_hand_since = CASE WHEN cardinality(ids) > 0 THEN clock_timestamp() END
    WHERE worker.worker_id = note_in_hand.worker_id;
    RETURN FOUND;
END
$$;

-- A worker that ends has nothing in hand; its locks go with its sessions.
CREATE OR REPLACE FUNCTION archiver.end_worker(worker_id bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM archiver.workers AS worker WHERE worker.worker_id = end_worker.worker_id;
    RETURN FOUND;
END
$$;

-- Puts events aside that are not tried again; their topics go on.
CREATE OR REPLACE FUNCTION archiver.bury_events(ids bigint[], why text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    buried integer;
BEGIN
    WITH gone AS (
        DELETE FROM archiver.events WHERE id = ANY (ids) RETURNING *
    )
    INSERT INTO archiver.dead_events (
        id, queued_at, binding_id, attempts, crashes, truncated, operation, topic, key, old_key, payload, last_error, reason
    )
    SELECT
        gone.id, gone.queued_at, gone.binding_id, gone.attempts, gone.crashes, gone.truncated, gone.operation, gone.topic,
        gone.key, gone.old_key, gone.payload, gone.last_error, why
    FROM gone;
    GET DIAGNOSTICS buried = ROW_COUNT;
    DELETE FROM archiver.blocked_topics WHERE event_id = ANY (ids);
    RETURN buried;
END
$$;

-- Finds workers whose sessions are gone. What one had in hand has a crash more, and comes alone from now on: at the third it
-- is dead. What another worker has in hand already is left for the next time. Returns how many workers died, and how many of
-- their events are dead now.
CREATE OR REPLACE FUNCTION archiver.recover_workers(OUT died integer, OUT dead integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    worker record;
    marked bigint[];
    others bigint[];
BEGIN
    died := 0;
    dead := 0;
    FOR worker IN SELECT * FROM archiver.workers ORDER BY worker_id FOR UPDATE SKIP LOCKED LOOP
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(
            hashtextextended('archiver events worker ' || worker.worker_id, 0)
        );
        marked := ARRAY(SELECT id FROM archiver.events WHERE id = ANY (worker.in_hand) FOR UPDATE SKIP LOCKED);
        UPDATE archiver.events SET crashes = least(crashes, 32000) + 1 WHERE id = ANY (marked);
        dead := dead + archiver.bury_events(
            ARRAY(SELECT id FROM archiver.events WHERE id = ANY (marked) AND crashes >= 3),
            'its worker died 3 times while it had this in hand'
        );
        others := ARRAY(SELECT id FROM archiver.events WHERE id = ANY (worker.in_hand) AND id <> ALL (marked));
        IF cardinality(others) > 0 THEN
            UPDATE archiver.workers SET in_hand = others WHERE worker_id = worker.worker_id;
            CONTINUE;
        END IF;
        DELETE FROM archiver.workers WHERE worker_id = worker.worker_id;
        died := died + 1;
    END LOOP;
END
$$;

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
    logged AS (
        INSERT INTO archiver.event_log (
            event_id, binding_id, operation, key, attempt, started_at, took_ms, succeeded, err_message, output, worker
        )
        SELECT
            gone.id, gone.binding_id, gone.operation, gone.key, least(gone.attempts, 32766) + 1, run.started_at,
            run.took_ms, run.message IS NULL, left(run.message, 8192), left(run.output, 8192), complete_events.worker
        FROM gone
        JOIN archiver.bindings AS binding USING (binding_id)
        JOIN unnest(
            complete_events.ids, complete_events.started_at, complete_events.took_ms, complete_events.messages,
            complete_events.outputs
        ) AS run (id, started_at, took_ms, message, output) ON run.id = gone.id
        WHERE binding.log = 'all' OR binding.log = 'errors' AND run.message IS NOT NULL
    )
    SELECT count(*) INTO ended FROM gone;
    DELETE FROM archiver.events AS event WHERE event.id = ANY (complete_events.merged_ids);
    DELETE FROM archiver.blocked_topics WHERE event_id = ANY (complete_events.ids);
    RETURN ended;
END
$$;

-- Lets an event wait, and its topic with it, without having been tried: what a function asks for. Returns whether it was there.
CREATE OR REPLACE FUNCTION archiver.put_off_event(event_id bigint, seconds double precision) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    later timestamptz := clock_timestamp() + make_interval(secs => greatest(0, least(seconds, 31536000)));
    hash bigint;
BEGIN
    UPDATE archiver.events AS event SET available_at = later, crashes = 0
    WHERE event.id = put_off_event.event_id
    RETURNING event.topic_hash INTO hash;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF hash IS NOT NULL THEN
        INSERT INTO archiver.blocked_topics AS blocked (topic_hash, event_id, until)
        VALUES (hash, put_off_event.event_id, later)
        ON CONFLICT (topic_hash) DO UPDATE SET event_id = excluded.event_id, until = excluded.until;
    END IF;
    RETURN true;
END
$$;

-- Notes that an event has failed: it is tried again after e^n seconds, n the number of failures and 10 at most, more or
-- less an eighth; with as many as its binding allows it is dead. Returns 'later', 'dead', or null if it is gone.
CREATE OR REPLACE FUNCTION archiver.fail_event(
    event_id bigint, err_message text, output text, started_at timestamptz, took_ms real, worker text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    failed record;
BEGIN
    UPDATE archiver.events AS event
    SET attempts = least(event.attempts, 32766) + 1, crashes = 0, last_error = left(fail_event.err_message, 8192)
    FROM archiver.bindings AS binding
    WHERE event.id = fail_event.event_id AND binding.binding_id = event.binding_id
    RETURNING
        event.attempts, event.binding_id, event.operation, event.key, binding.log,
        event.attempts >= binding.max_attempts AS is_last
    INTO failed;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF failed.log <> 'none' THEN
        INSERT INTO archiver.event_log (
            event_id, binding_id, operation, key, attempt, started_at, took_ms, succeeded, err_message, output, worker
        )
        VALUES (
            fail_event.event_id, failed.binding_id, failed.operation, failed.key, failed.attempts, fail_event.started_at,
            fail_event.took_ms, false, left(fail_event.err_message, 8192), left(fail_event.output, 8192),
            fail_event.worker
        );
    END IF;
    IF failed.is_last THEN
        PERFORM archiver.bury_events(ARRAY[fail_event.event_id], format('failed %s times', failed.attempts));
        RETURN 'dead';
    END IF;
    PERFORM archiver.put_off_event(
        fail_event.event_id, exp(least(failed.attempts, 10)::double precision) * (1 + 0.125 * (2 * random() - 1))
    );
    RETURN 'later';
END
$$;

-- Gives back the lock by which an event with a transaction of its own is held; it may run again at once, unless it ended.
CREATE OR REPLACE FUNCTION archiver.release_event(event_id bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_advisory_unlock(hashtextextended('archiver event ' || event_id, 0))
$$;

-- Puts dead events of a binding back into the queue, at its end, to be tried as if they were new; all of them, or some.
CREATE OR REPLACE FUNCTION archiver.retry_dead(binding_id integer, ids bigint[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    put_back integer;
BEGIN
    -- Turns are given by one at a time.
    PERFORM pg_advisory_xact_lock(hashtextextended('archiver events taken in', 0));
    WITH gone AS (
        DELETE FROM archiver.dead_events AS dead
        WHERE dead.binding_id = retry_dead.binding_id AND (retry_dead.ids IS NULL OR dead.id = ANY (retry_dead.ids))
        RETURNING dead.*
    )
    INSERT INTO archiver.events (
        id, queued_at, topic_hash, binding_id, priority, truncated, operation, topic, key, old_key, payload, last_error
    )
    SELECT
        gone.id, gone.queued_at, CASE WHEN binding.queue THEN hashtextextended(gone.topic, 0) END, gone.binding_id,
        binding.priority, gone.truncated, gone.operation, gone.topic, gone.key, gone.old_key, gone.payload, gone.last_error
    FROM gone
    JOIN archiver.bindings AS binding ON binding.binding_id = gone.binding_id
    ORDER BY gone.id;
    GET DIAGNOSTICS put_back = ROW_COUNT;
    IF put_back > 0 THEN
        PERFORM archiver.send_for_worker();
    END IF;
    RETURN put_back;
END
$$;

REVOKE ALL ON FUNCTION archiver.begin_worker FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.join_worker FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.note_in_hand FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.end_worker FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.bury_events FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.recover_workers FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.complete_events FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.put_off_event FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.fail_event FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.release_event FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.retry_dead FROM PUBLIC
