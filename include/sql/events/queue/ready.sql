-- How many events could run now by these functions, how many of them side by side, and how many seconds the first has
-- waited. No more are counted than there is work for all lanes.
SELECT
    count(*) AS events,
    count(DISTINCT coalesce(ready.topic_hash, ready.turn)) AS topics,
    extract(EPOCH FROM clock_timestamp() - min(ready.queued_at))::double precision AS oldest_seconds
FROM (
    SELECT event.topic_hash, event.turn, event.queued_at
    FROM archiver.events AS event
    JOIN archiver.bindings AS binding USING (binding_id)
    JOIN archiver.jobs AS job USING (job_id)
    WHERE
        event.available_at IS NULL AND binding.enabled AND job.action = 'function' AND job.scheduled
        AND job.function_name = ANY(%(functions)s)
        AND NOT EXISTS (
            SELECT FROM archiver.job_state AS state
            WHERE state.job_id = job.job_id AND state.state IN ('refused', 'waiting')
        )
    ORDER BY event.priority, event.turn
    LIMIT %(most)s
) AS ready
