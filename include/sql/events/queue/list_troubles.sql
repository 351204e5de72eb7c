-- The bindings that need a person, with how many of their events are dead: those that note nothing more, since too many
-- waited, and those with dead events.
SELECT
    binding.binding_id, binding.job_name, coalesce(binding.source::text, binding.channel, 'its schedule') AS watched,
    binding.max_waiting, binding.suspended_at IS NOT NULL AND binding.removed_at IS NULL AS is_suspended,
    coalesce(counted.dead, 0) AS dead
FROM archiver.bindings AS binding
LEFT JOIN (SELECT binding_id, count(*) AS dead FROM archiver.dead_events GROUP BY binding_id) AS counted USING (binding_id)
WHERE counted.dead > 0 OR binding.suspended_at IS NOT NULL AND binding.removed_at IS NULL
ORDER BY binding.binding_id
