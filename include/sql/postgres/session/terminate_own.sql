-- Ends a server process of this login in this database. Names may mean anything here, so all are qualified.
SELECT pg_catalog.pg_terminate_backend(activity.pid) AS ended
FROM pg_catalog.pg_stat_activity AS activity
WHERE
    activity.pid OPERATOR(pg_catalog.=) %(process)s
    AND activity.usename OPERATOR(pg_catalog.=) SESSION_USER
    AND activity.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
