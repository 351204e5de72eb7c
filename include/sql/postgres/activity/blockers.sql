-- Who holds what this process waits for. Of a statement only its first word: what follows may hold data.
SELECT
    activity.pid,
    activity.usename::text AS user_name,
    nullif(activity.application_name, '') AS application,
    activity.state,
    activity.xact_start AS since,
    upper(substring(activity.query FROM '^\s*([A-Za-z]+)')) AS verb
FROM unnest(pg_blocking_pids(%(process)s)) AS blocking (pid)
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = blocking.pid
ORDER BY activity.xact_start
