-- Locks the events of the keys that have waited longest, so many keys at most, for the transaction of whoever asks. All that
-- waits of such a key is one. Nobody waits for another: what is locked is passed over.
WITH oldest AS MATERIALIZED (
    SELECT event.binding_id, event.topic_hash, event.key, event.priority, event.turn
    FROM archiver.events AS event
    WHERE
        event.available_at IS NULL AND event.binding_id = ANY (%(bindings)s)
        AND (coalesce(event.topic_hash, event.turn) & 9223372036854775807) %% %(lanes)s = %(lane)s
    ORDER BY event.priority, event.turn
    LIMIT %(most_events)s
),
wanted AS MATERIALIZED (
    SELECT oldest.binding_id, oldest.topic_hash, oldest.key
    FROM oldest
    GROUP BY oldest.binding_id, oldest.topic_hash, oldest.key
    ORDER BY min(oldest.priority), min(oldest.turn)
    LIMIT %(most_keys)s
)
SELECT
    event.id,
    event.key::text AS key,
    extract(EPOCH FROM clock_timestamp() - event.queued_at)::double precision AS seconds
FROM wanted
JOIN archiver.events AS event
    ON event.topic_hash = wanted.topic_hash AND event.binding_id = wanted.binding_id AND event.key = wanted.key
WHERE event.available_at IS NULL
ORDER BY event.turn
LIMIT %(most_events)s
FOR UPDATE OF event SKIP LOCKED
