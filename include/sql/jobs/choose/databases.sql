-- The databases of this server, and whether jobs may act in them.
SELECT datname::text AS name, datallowconn AND NOT datistemplate AS usable
FROM pg_catalog.pg_database
ORDER BY datname
