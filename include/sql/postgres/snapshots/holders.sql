-- Whatever keeps an old snapshot in this database, and so VACUUM from removing row versions: sessions, prepared
-- transactions, and replication slots and standbys, which keep one for all databases. With a mark, only what may still
-- see row versions that were replaced up to that transaction. VACUUM itself holds nothing back. Of a statement only its
-- first word: what follows may hold data. What this role may not see of others' sessions is NULL; they count anyway.
WITH mark AS (SELECT age(%(mark)s::text::xid8::xid) AS age)
SELECT
    'session' AS kind,
    '' AS name,
    activity.pid,
    activity.usename::text AS user_name,
    nullif(activity.application_name, '') AS application,
    coalesce(activity.state, 'state not to be seen without pg_monitor') AS state,
    clock_timestamp() - activity.xact_start AS age,
    greatest(age(activity.backend_xmin), age(activity.backend_xid)) AS transactions,
    upper(substring(activity.query FROM '^\s*([A-Za-z]+)')) AS verb
FROM pg_catalog.pg_stat_activity AS activity
CROSS JOIN mark
WHERE
    coalesce(activity.backend_xmin, activity.backend_xid) IS NOT NULL
    AND activity.pid <> pg_backend_pid()
    AND (activity.datname = current_database() OR activity.datname IS NULL)
    AND (activity.xact_start IS NULL OR activity.xact_start < clock_timestamp() - %(older_than)s::interval)
    AND (mark.age IS NULL OR greatest(age(activity.backend_xmin), age(activity.backend_xid)) >= mark.age)
    AND activity.backend_type IS DISTINCT FROM 'walsender'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS vacuum WHERE vacuum.pid = activity.pid)
UNION ALL
SELECT
    'prepared transaction', prepared.gid, NULL, prepared.owner::text, NULL, NULL,
    clock_timestamp() - prepared.prepared, age(prepared.transaction), NULL
FROM pg_catalog.pg_prepared_xacts AS prepared
CROSS JOIN mark
WHERE prepared.database = current_database() AND (mark.age IS NULL OR age(prepared.transaction) >= mark.age)
UNION ALL
SELECT
    'replication slot', slot.slot_name::text, slot.active_pid, NULL, NULL,
    CASE WHEN slot.active THEN 'active' ELSE 'inactive' END, NULL, age(slot.xmin), NULL
FROM pg_catalog.pg_replication_slots AS slot
CROSS JOIN mark
WHERE slot.xmin IS NOT NULL AND (mark.age IS NULL OR age(slot.xmin) >= mark.age)
UNION ALL
SELECT
    'standby', '', standby.pid, standby.usename::text, nullif(standby.application_name, ''), NULL, NULL,
    age(standby.backend_xmin), NULL
FROM pg_catalog.pg_stat_replication AS standby
CROSS JOIN mark
WHERE standby.backend_xmin IS NOT NULL AND (mark.age IS NULL OR age(standby.backend_xmin) >= mark.age)
ORDER BY transactions DESC
LIMIT 10
