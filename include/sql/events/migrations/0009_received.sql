-- Messages from outside that have become events and may still be at their source, which is asked to remove each of them
-- only after this is committed. One that is read again is known by its row and makes no second event; the row goes once
-- its message is gone. `source` says which cluster, and where in it. `message_hash` is that of key and value.
CREATE TABLE IF NOT EXISTS archiver.received_messages (
    source text NOT NULL,
    channel text NOT NULL,
    message_hash bytea NOT NULL CHECK (octet_length(message_hash) = 32),
    mod_revision bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, channel, message_hash, mod_revision)
);

-- Bytes as text; {"base64": ...} where they are no text that this database can hold.
CREATE OR REPLACE FUNCTION archiver.read_text(content bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN to_jsonb(convert_from(content, 'UTF8'));
EXCEPTION WHEN data_exception THEN
    RETURN jsonb_build_object('base64', translate(encode(content, 'base64'), chr(10), ''));
END
$$;

-- The JSON that the bytes are, else as above. What this server takes for JSON is JSON.
CREATE OR REPLACE FUNCTION archiver.read_message(content bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN convert_from(content, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN archiver.read_text(content);
END
$$;

-- Each message that was not received before becomes an event of each binding of the channel, in the order of the arrays.
-- Where no binding takes messages now, nothing is noted. `contents` is null for what is too large. Keys of more than 8 KB
-- are named by their hash.
CREATE OR REPLACE FUNCTION archiver.receive_messages(
    source text, channel text, keys bytea[], contents bytea[], hashes bytea[], revisions bigint[],
    OUT bindings integer, OUT messages integer, OUT noted integer
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The transaction has its number before the event has, as archiver.intake wants it.
    PERFORM pg_current_xact_id();
    WITH bound AS MATERIALIZED (
        SELECT binding.binding_id, archiver.split_topic(binding.topic) AS topic_columns
        FROM archiver.bindings AS binding
        WHERE
            binding.channel = receive_messages.channel AND binding.enabled AND binding.suspended_at IS NULL
            AND binding.removed_at IS NULL AND coalesce((SELECT capture.enabled FROM archiver.capture), true)
    ),
    received AS (
        INSERT INTO archiver.received_messages AS known (source, channel, message_hash, mod_revision)
        SELECT receive_messages.source, receive_messages.channel, message.hash, message.revision
        FROM unnest(hashes, revisions) AS message (hash, revision)
        WHERE EXISTS (SELECT FROM bound)
        ON CONFLICT DO NOTHING
        RETURNING known.message_hash, known.mod_revision
    ),
    fresh AS MATERIALIZED (
        SELECT
            message.place,
            CASE
                WHEN octet_length(message.key) <= 8192 THEN archiver.read_text(message.key)
                ELSE jsonb_build_object('sha256', encode(sha256(message.key), 'hex'))
            END AS key,
            archiver.read_message(message.content) AS payload
        FROM unnest(keys, contents, hashes, revisions)
            WITH ORDINALITY AS message (key, content, hash, revision, place)
        JOIN received ON received.message_hash = message.hash AND received.mod_revision = message.revision
    ),
    incoming AS (
        INSERT INTO archiver.incoming_events AS event (binding_id, operation, truncated, key, topic, payload)
        SELECT
            bound.binding_id, 'S', fresh.payload IS NULL OR pg_column_size(fresh.payload) > 65536,
            jsonb_build_object('key', fresh.key),
            (
                SELECT jsonb_agg(fresh.payload -> part.name ORDER BY part.place)
                FROM unnest(bound.topic_columns) WITH ORDINALITY AS part (name, place)
            ),
            CASE WHEN pg_column_size(fresh.payload) <= 65536 THEN fresh.payload END
        FROM fresh
        CROSS JOIN bound
        ORDER BY fresh.place, bound.binding_id
        RETURNING event.id
    )
    SELECT (SELECT count(*) FROM bound), (SELECT count(*) FROM received), (SELECT count(*) FROM incoming)
    INTO bindings, messages, noted;
    IF noted > 0 THEN
        PERFORM archiver.send_for_worker();
    END IF;
END
$$;

-- Forgets messages that are gone from their source; all of the source where no hashes are given.
CREATE OR REPLACE FUNCTION archiver.forget_messages(
    source text, channel text, hashes bytea[] DEFAULT NULL, revisions bigint[] DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH forgotten AS (
        DELETE FROM archiver.received_messages AS known
        WHERE
            known.source = forget_messages.source AND known.channel = forget_messages.channel
            AND (
                hashes IS NULL
                OR (known.message_hash, known.mod_revision) IN (
                    SELECT message.hash, message.revision FROM unnest(hashes, revisions) AS message (hash, revision)
                )
            )
        RETURNING known.mod_revision
    )
    SELECT count(*) FROM forgotten
$$;

REVOKE ALL ON FUNCTION archiver.read_text FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.read_message FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.receive_messages FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.forget_messages FROM PUBLIC
