-- In a client database with a queue of events: the role that owns tables, or sends messages, may have them watched, by
-- the functions of schema archiver. Only whoever owns a table can watch it, whatever else is granted here; nobody who
-- writes to a watched table needs any right.
-- psql -v role=NAME -v archive=NAME, where `archive` is the archive's own role. Run it after the first run of the DAG
-- events__<client>, which makes the queue.
\set ON_ERROR_STOP on
BEGIN;
SELECT to_regclass('archiver.bindings') IS NULL AS missing \gset
\if :missing
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: there is no queue of events in this database yet'
        USING HINT = 'Run this after the first run of the DAG events__<client>.';
    END
    $$;
\endif
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
-- Its guards let each role write the bindings of its own tables alone.
GRANT SELECT, INSERT, UPDATE, DELETE ON archiver.bindings TO :"role";
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', routine.oid::regprocedure, :'role')
FROM pg_catalog.pg_proc AS routine
JOIN pg_catalog.pg_namespace AS space ON space.oid = routine.pronamespace
WHERE
    space.nspname = 'archiver'
    AND routine.proname IN (
        'watch', 'watch_channel', 'bind', 'unwatch', 'send', 'find_function_job', 'find_versions_job', 'is_table_of',
        'split_topic'
    ) \gexec
RESET ROLE;
\if :to_join
    REVOKE :"archive" FROM CURRENT_USER;
\endif
COMMIT;
