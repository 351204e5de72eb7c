-- In each database whose jobs people may write: the control database of an instance, or a client's own. A role gets into
-- the group that may write archiver.jobs, retention policies among them, and call add_job, alter_job, delete_job, run_job,
-- add_retention_policy and remove_retention_policy there.
-- psql -v role=NAME -v archive=NAME [-v group=NAME], where `archive` is the archive's own role, to which the tables belong.
-- The group is archiver_job_writers unless another is named; it is made if it is missing. It is one for the whole
-- server: whoever is in it writes jobs in every database where this script has run and to which he may connect, so name
-- one for each client where writers of one must not write for another.
-- A member changes his own jobs alone, and those of roles that he is a member of; the owner of the database those of all
-- but the policy file's.
\set ON_ERROR_STOP on
\if :{?group}
\else
    \set group archiver_job_writers
\endif
BEGIN;
SELECT NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = 'archiver' AND class.relname = 'jobs'
) AS absent \gset
\if :absent
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: there is no archiver.jobs in this database yet'
        USING HINT = 'A run of the DAG jobs__<conn_id> makes it: once the instance has jobs, and the client own_jobs.';
    END
    $$;
\endif
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'group') AS missing \gset
\if :missing
    CREATE ROLE :"group" NOLOGIN;
\endif
GRANT :"group" TO :"role";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"group";
SELECT
    NOT pg_has_role(
        :'archive', CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) AS to_join,
    pg_has_role(nspowner, 'USAGE') AS to_grant
FROM pg_catalog.pg_namespace
WHERE nspname = 'archiver' \gset
\if :to_grant
    GRANT USAGE ON SCHEMA archiver TO :"group";
\endif
\if :to_join
    GRANT :"archive" TO CURRENT_USER;
\endif
SET LOCAL ROLE :"archive";
\if :to_grant
\else
    GRANT USAGE ON SCHEMA archiver TO :"group";
\endif
GRANT SELECT, INSERT, UPDATE, DELETE
ON archiver.jobs, archiver.data_retention_policy, archiver.postprocessing_jobs TO :"group";
GRANT SELECT, INSERT ON archiver.postprocessing_jobs_stats TO :"group";
GRANT SELECT ON archiver.job_stats, archiver.job_errors, archiver.job_history TO :"group";
GRANT EXECUTE ON ROUTINE
    archiver.add_job, archiver.alter_job, archiver.change_job, archiver.delete_job, archiver.run_job,
    archiver.add_retention_policy, archiver.remove_retention_policy, archiver.name_table, archiver.name_retention_job
TO :"group";
RESET ROLE;
\if :to_join
    REVOKE :"archive" FROM CURRENT_USER;
\endif
COMMIT;
