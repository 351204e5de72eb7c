-- Whose transactions have a lock on a partitioned table: a concurrent detach from it waits for each of them. Of those of
-- other roles it is not told when they began to a role that may not see that.
SELECT
    lock.virtualtransaction AS transaction,
    lock.pid,
    prepared.gid AS prepared,
    coalesce(activity.usename, '') AS user_name,
    coalesce(activity.application_name, '') AS application,
    activity.xact_start AT TIME ZONE 'UTC' AS since
FROM pg_catalog.pg_locks AS lock
JOIN pg_catalog.pg_database AS own ON own.oid = lock.database AND own.datname = current_database()
JOIN pg_catalog.pg_class AS class ON class.oid = lock.relation
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
LEFT JOIN pg_catalog.pg_prepared_xacts AS prepared ON lock.pid IS NULL AND lock.virtualtransaction = '-1/' || prepared.transaction
WHERE
    lock.locktype = 'relation' AND lock.granted
    AND lock.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND space.nspname = %(schema)s AND class.relname = %(table)s
ORDER BY activity.xact_start NULLS LAST, lock.pid
