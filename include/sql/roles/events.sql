-- In each database in which functions run for events: the role of the Airflow connection `events: {conn_id: ...}`, which
-- role.sql makes. It runs code from your repository on rows of the client, so it is a login of its own that owns nothing
-- and is a member of nothing. Of schema archiver it may run the functions by which a worker takes and ends events.
-- psql -v role=NAME -v archive=NAME, where `archive` is the archive's own role. What functions touch is for its owner to
-- grant. Run it after the first run of the DAG events__<client>, which makes the queue.
\set ON_ERROR_STOP on
BEGIN;
SELECT
    EXISTS (
        SELECT
        FROM pg_catalog.pg_roles AS role
        JOIN pg_catalog.pg_database AS this ON this.datname = current_database()
        WHERE
            role.rolname = :'role'
            AND (
                role.rolsuper OR role.rolcreaterole OR role.rolcreatedb OR role.rolreplication OR role.rolbypassrls
                OR pg_has_role(role.oid, this.datdba, 'MEMBER')
                OR EXISTS (
                    SELECT
                    FROM pg_catalog.pg_roles AS other
                    WHERE
                        other.rolname IN (
                            :'archive', 'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files',
                            'pg_write_server_files', 'pg_execute_server_program', 'rds_superuser'
                        )
                        AND pg_has_role(role.oid, other.oid, 'MEMBER')
                )
            )
    ) AS too_much,
    to_regclass('archiver.events') IS NULL AS missing \gset
\if :too_much
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: the role is more than a plain one, or a member of one that is'
        USING HINT = 'A function gets the connection itself. Make a role for functions alone with role.sql.';
    END
    $$;
\endif
\if :missing
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: there is no queue of events in this database yet'
        USING HINT = 'Run this after the first run of the DAG events__<client>.';
    END
    $$;
\endif
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
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
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', routine.oid::regprocedure, :'role')
FROM pg_catalog.pg_proc AS routine
JOIN pg_catalog.pg_namespace AS space ON space.oid = routine.pronamespace
WHERE
    space.nspname = 'archiver'
    AND routine.proname IN (
        'begin_worker', 'join_worker', 'note_in_hand', 'end_worker', 'recover_workers', 'take_in_events', 'claim_events',
        'complete_events', 'fail_event', 'put_off_event', 'release_event'
    ) \gexec
RESET ROLE;
\if :to_join
    REVOKE :"archive" FROM CURRENT_USER;
\endif
COMMIT;
