-- For a table with `children`, once for each table whose foreign key points to it, after table.sql.
-- psql -v role=NAME -v schema=NAME -v table=NAME -v column=NAME -v child_schema=NAME -v child_table=NAME
-- Rows are locked before the server looks for children, which wants UPDATE on a column: name one that matters least.
\set ON_ERROR_STOP on
BEGIN;
GRANT UPDATE (:"column") ON TABLE :"schema".:"table" TO :"role";
GRANT USAGE ON SCHEMA :"child_schema" TO :"role";
GRANT SELECT ON TABLE :"child_schema".:"child_table" TO :"role";
COMMIT;
