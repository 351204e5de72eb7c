-- In each database in which jobs call procedures: the role of the Airflow connection `procedures_conn_id`, which role.sql
-- makes. It runs code of the client's people, so it is a login of its own that owns nothing and is a member of nothing,
-- and of schema archiver it sees the statistics alone.
-- psql -v role=NAME -v archive=NAME [-v schema=NAME], where `archive` is the archive's own role. `schema` is that of the
-- procedures; what they touch is for their owner to grant. Run it again after the first run of jobs, for the statistics.
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
    ) AS too_much \gset
\if :too_much
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: the role is more than a plain one, or a member of one that is'
        USING HINT = 'Procedures run whatever their authors wrote. Make a role for them alone with role.sql.';
    END
    $$;
\endif
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
\if :{?schema}
    GRANT USAGE ON SCHEMA :"schema" TO :"role";
\endif
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = 'archiver' AND class.relname = 'job_stats'
) AS present \gset
\if :present
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
    GRANT SELECT ON archiver.job_stats, archiver.job_errors, archiver.job_history TO :"role";
    RESET ROLE;
    \if :to_join
        REVOKE :"archive" FROM CURRENT_USER;
    \endif
\else
    \warn 'archiver.job_stats is not there yet: run this again after the first run of jobs, to let procedures read it'
\endif
COMMIT;
