-- Before a restore into the table itself. psql -v role=NAME -v schema=NAME -v table=NAME
\set ON_ERROR_STOP on
GRANT INSERT, UPDATE ON TABLE :"schema".:"table" TO :"role";
