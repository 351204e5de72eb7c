-- In each client database, once for each of its tables. psql -v role=NAME -v schema=NAME -v table=NAME
-- Run by the owner of the database and the table. The ledger's schema stays the runner's: the role may make and fill
-- tables in it, but cannot drop it or make another one. Where the role made it itself, it has these rights already.
\set ON_ERROR_STOP on
BEGIN;
CREATE SCHEMA IF NOT EXISTS archiver;
SELECT pg_get_userbyid(nspowner) <> :'role' AS to_grant FROM pg_catalog.pg_namespace WHERE nspname = 'archiver' \gset
\if :to_grant
    GRANT USAGE, CREATE ON SCHEMA archiver TO :"role";
\endif
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT SELECT, DELETE ON TABLE :"schema".:"table" TO :"role";
COMMIT;
