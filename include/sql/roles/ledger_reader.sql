-- In each client database, after table.sql: a role may read the ledger, schema archiver, and nothing else; but for what
-- procedures and the server said in archiver.job_runs, which may hold rows.
-- psql -v role=NAME -v archive=NAME, where `archive` is the archive's own role, to which the ledger's tables belong.
-- Holds for the tables that are there and for those that later runs make. The runner takes on the archive's role for a
-- moment, for which it has to be a superuser or have made that role.
\set ON_ERROR_STOP on
BEGIN;
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
CREATE SCHEMA IF NOT EXISTS archiver;
SELECT
    NOT pg_has_role(
        :'archive', CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) AS to_join,
    pg_has_role(nspowner, 'USAGE') AS to_grant
FROM pg_catalog.pg_namespace
WHERE nspname = 'archiver' \gset
\if :to_grant
    GRANT USAGE ON SCHEMA archiver TO :"role";
\endif
\if :to_join
    GRANT :"archive" TO CURRENT_USER;
\endif
SET LOCAL ROLE :"archive";
\if :to_grant
\else
    GRANT USAGE ON SCHEMA archiver TO :"role";
\endif
ALTER DEFAULT PRIVILEGES IN SCHEMA archiver GRANT SELECT ON TABLES TO :"role";
GRANT SELECT ON ALL TABLES IN SCHEMA archiver TO :"role";
SELECT
    format('REVOKE SELECT ON archiver.job_runs FROM %I', :'role'),
    format(
        'GRANT SELECT (%s) ON archiver.job_runs TO %I', string_agg(format('%I', attname), ', ' ORDER BY attnum), :'role'
    )
FROM pg_catalog.pg_attribute
WHERE
    attrelid = to_regclass('archiver.job_runs') AND attnum > 0 AND NOT attisdropped
    AND attname NOT IN ('err_message', 'output')
HAVING count(*) > 0 \gexec
RESET ROLE;
\if :to_join
    REVOKE :"archive" FROM CURRENT_USER;
\endif
SELECT NOT coalesce(bool_and(has_table_privilege(:'role', class.oid, 'SELECT')), true) AS unread
FROM pg_catalog.pg_class AS class
WHERE
    class.relnamespace = 'archiver'::regnamespace AND class.relkind = 'r' AND class.relname <> 'job_runs' \gset
\if :unread
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: a table of schema archiver belongs to another role than the archive''s'
        USING HINT = 'See pg_tables.tableowner; give it to the archive''s role with ALTER TABLE ... OWNER TO.';
    END
    $$;
\endif
COMMIT;
