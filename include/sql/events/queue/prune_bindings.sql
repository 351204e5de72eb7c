-- Bindings that were ended go once nothing of theirs waits or is dead; so does one whose table is gone.
DELETE FROM archiver.bindings AS binding
WHERE
    (
        binding.removed_at < clock_timestamp() - interval '1 hour'
        OR binding.source IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class WHERE oid = binding.source)
    )
    AND NOT EXISTS (SELECT FROM archiver.incoming_events AS incoming WHERE incoming.binding_id = binding.binding_id)
    AND NOT EXISTS (SELECT FROM archiver.events AS event WHERE event.binding_id = binding.binding_id)
    AND NOT EXISTS (SELECT FROM archiver.dead_events AS dead WHERE dead.binding_id = binding.binding_id)
RETURNING binding.binding_id
