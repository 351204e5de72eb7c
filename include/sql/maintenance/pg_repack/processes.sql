-- The server's processes that work on this table for pg_repack.
SELECT DISTINCT activity.pid
FROM pg_catalog.pg_locks AS lock
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
WHERE
    lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND lock.relation = %(oid)s
    AND activity.application_name = 'pg_repack'
