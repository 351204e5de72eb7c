-- The lanes of the workers whose sessions live.
SELECT worker.lane
FROM archiver.workers AS worker
WHERE EXISTS (
    SELECT
    FROM pg_catalog.pg_locks AS lock
    JOIN pg_catalog.pg_database AS this ON this.oid = lock.database AND this.datname = current_database()
    WHERE
        lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
        AND oidsend(lock.classid) || oidsend(lock.objid)
            = int8send(hashtextextended('archiver events worker ' || worker.worker_id, 0))
)
