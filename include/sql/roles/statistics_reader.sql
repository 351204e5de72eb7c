-- In each client database, after the first run that made the ledger: a role may read the statistics of runs, and nothing
-- else; messages only if it is a member of the database's owner, or of the owner of the job.
-- psql -v role=NAME -v archive=NAME, where `archive` is the archive's own role, to which the views belong. The runner takes
-- on that role for a moment, for which it has to be a superuser or have made it. Run it again once the database has jobs.
\set ON_ERROR_STOP on
BEGIN;
SELECT NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = 'archiver' AND class.relname = 'job_stats'
) AS absent \gset
\if :absent
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: there is no archiver.job_stats in this database yet'
        USING HINT = 'A run of the DAG archive__<client> that is no dry run makes it, or of jobs__<conn_id>.';
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
GRANT SELECT ON archiver.job_stats, archiver.job_errors, archiver.job_history TO :"role";
SELECT format('GRANT SELECT ON archiver.postprocessing_jobs_stats TO %I', :'role')
WHERE to_regclass('archiver.postprocessing_jobs_stats') IS NOT NULL \gexec
RESET ROLE;
\if :to_join
    REVOKE :"archive" FROM CURRENT_USER;
\endif
COMMIT;
