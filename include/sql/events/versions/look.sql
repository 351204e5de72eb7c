-- How many keys wait that may run, counted up to so many, and for how many seconds the first of them has.
SELECT
    count(DISTINCT (waiting.topic_hash, waiting.key)) AS keys,
    extract(EPOCH FROM clock_timestamp() - min(waiting.queued_at))::double precision AS oldest_seconds
FROM (
    SELECT event.topic_hash, event.key, event.queued_at
    FROM archiver.events AS event
    WHERE
        event.available_at IS NULL AND event.binding_id = ANY (%(bindings)s)
        AND (coalesce(event.topic_hash, event.turn) & 9223372036854775807) %% %(lanes)s = %(lane)s
    ORDER BY event.priority, event.turn
    LIMIT %(most)s
) AS waiting
