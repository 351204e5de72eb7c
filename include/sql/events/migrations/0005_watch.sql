-- Writes a binding, and makes its triggers, with the rights of whoever calls it: the guards of archiver.bindings see who
-- that is. The table is locked for a moment; whoever works with it is waited for ten seconds, unless lock_timeout says how
-- long.
CREATE OR REPLACE FUNCTION archiver.bind(
    source regclass, channel text, job text, operations text[], changed_columns text[], topic text, queue boolean,
    priority integer, key_columns text[], payload_columns text[], merge boolean, delay interval, max_attempts integer,
    transaction text, log text, keep_log interval, keep_dead interval, max_waiting bigint
) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown text := CASE WHEN source IS NULL THEN 'channel ' || coalesce(channel, '(none)') ELSE 'table ' || source::text END;
    too_large text := CASE
        WHEN priority NOT BETWEEN -32768 AND 32767 THEN 'priority'
        WHEN max_attempts > 32767 THEN 'max_attempts'
    END;
    relation record;
    made integer;
    operation text;
BEGIN
    IF source IS NULL AND channel IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed', COLUMN = 'source',
            MESSAGE = 'there is nothing to watch: no table and no channel. Nothing was saved. Fix: name one';
    END IF;
    IF too_large IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = 'archiver', TABLE = 'bindings', COLUMN = too_large,
            MESSAGE = format(
                '%s of the binding of %s is not between -32,768 and 32,767. Nothing was saved. Fix: use a small number',
                too_large, shown
            );
    END IF;
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    INSERT INTO archiver.bindings AS binding (
        source, channel, job_id, job_name, operations, changed_columns, topic, queue, priority, key_columns,
        payload_columns, merge, delay, max_attempts, transaction, log, keep_log, keep_dead, max_waiting
    )
    SELECT
        bind.source, bind.channel, found.job_id, coalesce(found.job_name, bind.job, ''), bind.operations,
        bind.changed_columns, bind.topic, bind.queue, bind.priority, coalesce(bind.key_columns, '{}'),
        coalesce(bind.payload_columns, '{}'), bind.merge, bind.delay, bind.max_attempts, bind.transaction, bind.log,
        bind.keep_log, bind.keep_dead, bind.max_waiting
    FROM archiver.find_function_job(NULL, bind.job) AS found
    RETURNING binding.binding_id, binding.operations INTO made, operations;
    SELECT class.relkind, EXISTS (SELECT FROM pg_inherits WHERE bind.source IN (inhparent, inhrelid)) AS is_inherited
    INTO relation
    FROM pg_class AS class
    WHERE class.oid = bind.source;
    IF relation.relkind IS NULL THEN
        RETURN made;
    END IF;
    FOREACH operation IN ARRAY operations LOOP
        EXECUTE format(
            'CREATE TRIGGER %I AFTER %s ON %s%s FOR EACH %s EXECUTE FUNCTION archiver.%I()',
            format(
                'archiver_events_%s_%s', made,
                CASE operation WHEN 'INSERT' THEN 'ins' WHEN 'UPDATE' THEN 'upd' WHEN 'DELETE' THEN 'del' ELSE 'trunc' END
            ),
            operation, source,
            CASE
                WHEN relation.relkind = 'p' THEN ''
                WHEN operation = 'INSERT' THEN ' REFERENCING NEW TABLE AS new_rows'
                WHEN operation = 'UPDATE' THEN ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
                WHEN operation = 'DELETE' THEN ' REFERENCING OLD TABLE AS old_rows'
                ELSE ''
            END,
            CASE WHEN relation.relkind = 'p' AND operation <> 'TRUNCATE' THEN 'ROW' ELSE 'STATEMENT' END,
            'capture_' || made
        );
    END LOOP;
    IF relation.relkind = 'r' AND relation.is_inherited THEN
        RAISE WARNING '% is a parent or a child by INHERITS: a statement makes events by the binding of the table that it '
            'names, so watch the others of the family as well', source;
    END IF;
    RETURN made;
END
$$;

-- Binds a table to the job of this name, whose action is function: each change of the table becomes an event for it.
-- Returns the number of the binding.
CREATE OR REPLACE FUNCTION archiver.watch(
    source regclass,
    job text,
    operations text[] DEFAULT '{INSERT,UPDATE,DELETE}',
    changed_columns text[] DEFAULT NULL,
    topic text DEFAULT '',
    queue boolean DEFAULT true,
    priority integer DEFAULT 1,
    key_columns text[] DEFAULT '{}',
    payload_columns text[] DEFAULT '{}',
    merge boolean DEFAULT false,
    delay interval DEFAULT '0',
    max_attempts integer DEFAULT 10,
    transaction text DEFAULT 'with_event',
    log text DEFAULT 'errors',
    keep_log interval DEFAULT '7 days',
    keep_dead interval DEFAULT '30 days',
    max_waiting bigint DEFAULT NULL
) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT archiver.bind($1, NULL, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
$$;

-- The same for a job by its number.
CREATE OR REPLACE FUNCTION archiver.watch(
    source regclass,
    job integer,
    operations text[] DEFAULT '{INSERT,UPDATE,DELETE}',
    changed_columns text[] DEFAULT NULL,
    topic text DEFAULT '',
    queue boolean DEFAULT true,
    priority integer DEFAULT 1,
    key_columns text[] DEFAULT '{}',
    payload_columns text[] DEFAULT '{}',
    merge boolean DEFAULT false,
    delay interval DEFAULT '0',
    max_attempts integer DEFAULT 10,
    transaction text DEFAULT 'with_event',
    log text DEFAULT 'errors',
    keep_log interval DEFAULT '7 days',
    keep_dead interval DEFAULT '30 days',
    max_waiting bigint DEFAULT NULL
) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT archiver.bind(
        $1, NULL, coalesce((archiver.find_function_job($2, NULL)).job_name, $2::text),
        $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17
    )
$$;

-- Binds a channel to a job: each message that is sent to it becomes an event. A topic of '.a' is the field a of a message.
CREATE OR REPLACE FUNCTION archiver.watch_channel(
    channel text,
    job text,
    topic text DEFAULT '',
    queue boolean DEFAULT true,
    priority integer DEFAULT 1,
    merge boolean DEFAULT false,
    delay interval DEFAULT '0',
    max_attempts integer DEFAULT 10,
    transaction text DEFAULT 'with_event',
    log text DEFAULT 'errors',
    keep_log interval DEFAULT '7 days',
    keep_dead interval DEFAULT '30 days',
    max_waiting bigint DEFAULT NULL
) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT archiver.bind(NULL, $1, $2, NULL, NULL, $3, $4, $5, NULL, NULL, $6, $7, $8, $9, $10, $11, $12, $13)
$$;

-- Ends a binding: its triggers go, and nothing more is noted. What waits is worked off, unless it is to be discarded.
CREATE OR REPLACE FUNCTION archiver.unwatch(binding_id integer, discard boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    watched record;
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    FOR watched IN
        SELECT trigger.tgname, trigger.tgrelid::regclass AS source
        FROM pg_trigger AS trigger
        WHERE
            trigger.tgfoid = to_regprocedure(format('archiver.%I()', 'capture_' || unwatch.binding_id))
            AND trigger.tgparentid = 0
        ORDER BY trigger.tgname
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', watched.tgname, watched.source);
    END LOOP;
    IF discard THEN
        DELETE FROM archiver.bindings AS binding WHERE binding.binding_id = unwatch.binding_id;
    ELSE
        UPDATE archiver.bindings AS binding SET removed_at = coalesce(binding.removed_at, clock_timestamp())
        WHERE binding.binding_id = unwatch.binding_id;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format(
                'there is no binding %s. Nothing was changed. Fix: see archiver.bindings', coalesce(binding_id::text, '')
            );
    END IF;
END
$$;

-- Sends a message to a channel, in the transaction of whoever calls it: each binding of the channel gets an event of its
-- own. Returns how many that are; those that note nothing now get none. Nobody writes to this table with other rights.
CREATE OR REPLACE FUNCTION archiver.send(channel text, payload jsonb DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sent integer;
    wrong text[] := CASE
        WHEN NOT EXISTS (
            SELECT FROM archiver.bindings AS binding
            WHERE binding.channel = send.channel AND binding.removed_at IS NULL
        )
            THEN ARRAY['has no binding', 'bind it with archiver.watch_channel, or name another']
        WHEN pg_column_size(payload) > 65536
            THEN ARRAY['was given a payload of more than 65,536 bytes', 'keep large things in a table, and send their key']
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value', COLUMN = 'channel',
            MESSAGE = format(
                'channel %s %s. Nothing was sent. Fix: %s', coalesce(left(channel, 200), '(none)'), wrong[1], wrong[2]
            );
    END IF;
    IF current_setting('archiver.events', true) IN ('off', 'false', 'no', '0') THEN
        RETURN 0;
    END IF;
    -- The transaction has its number before the event has, as archiver.intake wants it.
    PERFORM pg_current_xact_id();
    INSERT INTO archiver.incoming_events (binding_id, operation, key, topic, payload)
    SELECT
        binding.binding_id, 'S', '{}',
        (
            SELECT jsonb_agg(send.payload -> part.name ORDER BY part.place)
            FROM unnest(archiver.split_topic(binding.topic)) WITH ORDINALITY AS part (name, place)
        ),
        send.payload
    FROM archiver.bindings AS binding
    WHERE
        binding.channel = send.channel AND binding.enabled AND binding.suspended_at IS NULL
        AND binding.removed_at IS NULL AND coalesce((SELECT enabled FROM archiver.capture), true)
    ORDER BY binding.binding_id;
    GET DIAGNOSTICS sent = ROW_COUNT;
    PERFORM archiver.send_for_worker();
    RETURN sent;
END
$$;

REVOKE ALL ON FUNCTION archiver.bind FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.watch(
    regclass, text, text[], text[], text, boolean, integer, text[], text[], boolean, interval, integer, text, text,
    interval, interval, bigint
) FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.watch(
    regclass, integer, text[], text[], text, boolean, integer, text[], text[], boolean, interval, integer, text, text,
    interval, interval, bigint
) FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.watch_channel FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.unwatch FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.send FROM PUBLIC
