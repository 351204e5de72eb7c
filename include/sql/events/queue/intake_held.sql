-- How many seconds the oldest event has waited to be taken into the queue, and a session that holds the lock of whoever takes
-- them in; null where there is none.
SELECT
    (
        SELECT extract(EPOCH FROM clock_timestamp() - min(incoming.queued_at))::double precision
        FROM archiver.incoming_events AS incoming
    ) AS waited_seconds,
    (
        SELECT min(lock.pid)
        FROM pg_catalog.pg_locks AS lock
        JOIN pg_catalog.pg_database AS this ON this.oid = lock.database AND this.datname = current_database()
        WHERE
            lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
            AND oidsend(lock.classid) || oidsend(lock.objid)
                = int8send(hashtextextended('archiver events taken in', 0))
    ) AS pid
