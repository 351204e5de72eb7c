-- Who waits for a lock that this process holds, or stands before it in the queue for; seconds of the longest wait.
SELECT
    count(*) AS waiting,
    coalesce(max(extract(EPOCH FROM clock_timestamp() - lock.waitstart)), 0)::float8 AS longest
FROM pg_catalog.pg_locks AS lock
WHERE NOT lock.granted AND %(process)s = ANY(pg_blocking_pids(lock.pid))
