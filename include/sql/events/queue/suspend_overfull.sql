-- Bindings of which more waits than they allow note nothing more until somebody says so; what waits is worked off.
UPDATE archiver.bindings AS binding SET suspended_at = clock_timestamp()
FROM (
    SELECT waiting.binding_id, count(*) AS events
    FROM (
        SELECT incoming.binding_id FROM archiver.incoming_events AS incoming
        UNION ALL
        SELECT event.binding_id FROM archiver.events AS event
    ) AS waiting
    GROUP BY waiting.binding_id
) AS counted
WHERE
    counted.binding_id = binding.binding_id AND counted.events > binding.max_waiting
    AND binding.suspended_at IS NULL AND binding.removed_at IS NULL
RETURNING binding.binding_id, coalesce(binding.source::text, binding.channel) AS watched, binding.max_waiting
