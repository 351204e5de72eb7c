-- Who may still see row versions that were replaced up to this transaction, and so keeps VACUUM from removing them.
-- Other databases' sessions do not matter, and VACUUM itself holds nothing back. No query text: it may hold data.
WITH mark AS (SELECT age(%(mark)s::xid8::xid) AS age)
SELECT
    format(
        'process %%s (%%s), user %%s, application %%s, %%s, transaction open for %%s', activity.pid,
        coalesce(nullif(activity.backend_type, ''), 'of a kind this role may not see'), coalesce(activity.usename, '-'),
        coalesce(nullif(activity.application_name, ''), '-'),
        coalesce(activity.state, 'state not to be seen without pg_monitor'),
        coalesce(round(extract(epoch FROM clock_timestamp() - activity.xact_start)) || ' s', 'an unknown time')
    ) AS who
FROM pg_catalog.pg_stat_activity AS activity
CROSS JOIN mark
WHERE
    activity.pid <> pg_backend_pid()
    AND (activity.datname = current_database() OR activity.datname IS NULL)
    AND greatest(age(activity.backend_xmin), age(activity.backend_xid)) >= mark.age
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS vacuum WHERE vacuum.pid = activity.pid)
UNION ALL
SELECT
    format(
        'prepared transaction of %%s, for %%s s', prepared.owner,
        round(extract(epoch FROM clock_timestamp() - prepared.prepared))
    )
FROM pg_catalog.pg_prepared_xacts AS prepared
CROSS JOIN mark
WHERE prepared.database = current_database() AND age(prepared.transaction) >= mark.age
UNION ALL
SELECT
    format(
        'replication slot %%s (%%s), %%s transactions behind', slot.slot_name,
        CASE WHEN slot.active THEN 'active' ELSE 'inactive' END, age(slot.xmin)
    )
FROM pg_catalog.pg_replication_slots AS slot
CROSS JOIN mark
WHERE age(slot.xmin) >= mark.age
