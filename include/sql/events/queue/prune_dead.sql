-- A batch of dead events that are older than their binding keeps them.
DELETE FROM archiver.dead_events
WHERE id IN (
    SELECT dead.id
    FROM archiver.dead_events AS dead
    JOIN archiver.bindings AS binding USING (binding_id)
    WHERE dead.died_at < clock_timestamp() - binding.keep_dead
    ORDER BY dead.died_at
    LIMIT %(most)s
)
