-- Once a server, in any database. psql -v role=NAME
-- The password is asked for, and only its hash is sent, so that it gets into no history and no log.
\set ON_ERROR_STOP on
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'role') AS missing \gset
\if :missing
    CREATE ROLE :"role" LOGIN;
    \password :"role"
\endif
