-- Whatever keeps an old snapshot in this database: sessions, prepared transactions, and replication slots and standbys,
-- which keep one for all databases. Of a statement only its first word: what follows may hold data.
SELECT
    'session' AS kind,
    '' AS name,
    activity.pid,
    activity.usename::text AS user_name,
    nullif(activity.application_name, '') AS application,
    clock_timestamp() - activity.xact_start AS age,
    greatest(age(activity.backend_xmin), age(activity.backend_xid)) AS transactions,
    upper(substring(activity.query FROM '^\s*([A-Za-z]+)')) AS verb
FROM pg_catalog.pg_stat_activity AS activity
WHERE
    coalesce(activity.backend_xmin, activity.backend_xid) IS NOT NULL
    AND activity.pid <> pg_backend_pid()
    AND (activity.datname = current_database() OR activity.datname IS NULL)
    AND (activity.xact_start IS NULL OR activity.xact_start < clock_timestamp() - %(older_than)s::interval)
    AND activity.backend_type <> 'walsender'
UNION ALL
SELECT
    'prepared transaction', prepared.gid, NULL, prepared.owner::text, NULL,
    clock_timestamp() - prepared.prepared, age(prepared.transaction), NULL
FROM pg_catalog.pg_prepared_xacts AS prepared
WHERE prepared.database = current_database()
UNION ALL
SELECT
    'replication slot', slot.slot_name::text, slot.active_pid, NULL, NULL, NULL, age(slot.xmin), NULL
FROM pg_catalog.pg_replication_slots AS slot
WHERE slot.xmin IS NOT NULL
UNION ALL
SELECT
    'standby', '', standby.pid, standby.usename::text, nullif(standby.application_name, ''), NULL,
    age(standby.backend_xmin), NULL
FROM pg_catalog.pg_stat_replication AS standby
WHERE standby.backend_xmin IS NOT NULL
ORDER BY transactions DESC
LIMIT 10
