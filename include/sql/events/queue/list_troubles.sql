-- The bindings that need a person, with how many of their events are dead: those that note nothing more, since too many
-- waited, those with dead events, and those whose job is gone, so that nobody runs what they note or have noted.
SELECT
    binding.binding_id, binding.job_name, coalesce(binding.source::text, binding.channel, 'its schedule') AS watched,
    binding.max_waiting, binding.suspended_at IS NOT NULL AND binding.removed_at IS NULL AS is_suspended,
    without_job.found AS is_without_job, coalesce(counted.dead, 0) AS dead
FROM archiver.bindings AS binding
LEFT JOIN (SELECT binding_id, count(*) AS dead FROM archiver.dead_events GROUP BY binding_id) AS counted USING (binding_id)
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN binding.job_id IS NOT NULL THEN false
            WHEN binding.enabled AND binding.removed_at IS NULL AND num_nonnulls(binding.source, binding.channel) > 0
                THEN true
            ELSE EXISTS (SELECT FROM archiver.events AS event WHERE event.binding_id = binding.binding_id)
        END AS found
) AS without_job
WHERE
    counted.dead > 0
    OR binding.suspended_at IS NOT NULL AND binding.removed_at IS NULL
    OR without_job.found
ORDER BY binding.binding_id
