-- Before a restore into a new table, in a schema that is made for such tables. psql -v role=NAME -v schema=NAME
\set ON_ERROR_STOP on
BEGIN;
CREATE SCHEMA IF NOT EXISTS :"schema";
GRANT USAGE, CREATE ON SCHEMA :"schema" TO :"role";
COMMIT;
