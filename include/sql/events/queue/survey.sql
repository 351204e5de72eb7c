-- What waits, how long the oldest of what may run has waited, and what is dead.
SELECT
    (SELECT count(*) FROM archiver.incoming_events) + (SELECT count(*) FROM archiver.events) AS waiting,
    extract(
        EPOCH FROM clock_timestamp() - least(
            (SELECT min(queued_at) FROM archiver.incoming_events),
            (SELECT min(queued_at) FROM archiver.events WHERE available_at IS NULL OR available_at <= clock_timestamp())
        )
    )::double precision AS oldest_seconds,
    (SELECT count(*) FROM archiver.dead_events) AS dead
