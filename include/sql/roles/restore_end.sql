-- After a restore into the table itself. psql -v role=NAME -v schema=NAME -v table=NAME
\set ON_ERROR_STOP on
REVOKE INSERT, UPDATE ON TABLE :"schema".:"table" FROM :"role";
