-- The databases of this server in which jobs may act.
SELECT datname::text AS name
FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate
ORDER BY datname
