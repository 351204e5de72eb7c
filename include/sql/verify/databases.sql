-- The databases of this server, and whether this role may look into them.
SELECT datname::text AS name, pg_catalog.has_database_privilege(datname, 'CONNECT') AS may_connect
FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate
ORDER BY datname
