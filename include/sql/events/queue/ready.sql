-- How many events could run now by these functions, how many of them side by side, and how many seconds the first has
-- waited. No more are counted than there is work for all lanes.
SELECT
    count(*) AS events,
    count(DISTINCT coalesce(ready.topic_hash, ready.turn)) AS topics,
    extract(EPOCH FROM clock_timestamp() - min(ready.queued_at))::double precision AS oldest_seconds
FROM (
    SELECT event.topic_hash, event.turn, event.queued_at
    FROM archiver.events AS event
    JOIN archiver.runnable_bindings AS runnable USING (binding_id)
    WHERE event.available_at IS NULL AND runnable.function_name = ANY(%(functions)s)
    ORDER BY event.priority, event.turn
    LIMIT %(most)s
) AS ready
