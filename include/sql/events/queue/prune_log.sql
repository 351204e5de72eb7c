-- A batch of what is older than its binding keeps it, the oldest first; the log of one that is gone is kept for a week.
WITH RECURSIVE logged AS (
    SELECT min(binding_id) AS binding_id FROM archiver.event_log
    UNION ALL
    SELECT (SELECT min(log.binding_id) FROM archiver.event_log AS log WHERE log.binding_id > logged.binding_id)
    FROM logged
    WHERE logged.binding_id IS NOT NULL
)
DELETE FROM archiver.event_log
WHERE ctid = ANY(
    ARRAY(
        SELECT old.ctid
        FROM logged
        LEFT JOIN archiver.bindings AS binding USING (binding_id)
        CROSS JOIN LATERAL (
            SELECT log.ctid
            FROM archiver.event_log AS log
            WHERE
                log.binding_id = logged.binding_id
                AND log.started_at < clock_timestamp() - coalesce(binding.keep_log, interval '7 days')
            ORDER BY log.started_at
            LIMIT %(most)s
        ) AS old
        LIMIT %(most)s
    )
)
