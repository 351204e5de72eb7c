-- In each database whose retention policies people write: the control database of an instance, or a client's own. Makes the
-- name public.data_retention_policy, by which a retention worker of Postgres knows its table, for the view
-- archiver.data_retention_policy; and a role gets into the group that may write it, and call add_retention_policy,
-- remove_retention_policy and run_job there.
-- psql -v role=NAME -v archive=NAME [-v group=NAME] [-v database=NAME], where `archive` is the archive's own role, to which
-- the tables belong. With `database` the role may write policies of that database alone, and of those of earlier runs.
-- The group is archiver_policy_writers unless another is named; it is made if it is missing. It is one for the whole
-- server: whoever is in it writes policies in every database where this script has run and to which he may connect.
-- A member changes his own policies alone, and those of roles that he is a member of. He writes no other jobs.
\set ON_ERROR_STOP on
\if :{?group}
\else
    \set group archiver_policy_writers
\endif
BEGIN;
SELECT NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = 'archiver' AND class.relname = 'data_retention_policy'
) AS absent \gset
\if :absent
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: there is no archiver.data_retention_policy in this database yet'
        USING HINT = 'A run of the DAG jobs__<conn_id> makes it: once the instance has jobs, and the client own_jobs.';
    END
    $$;
\endif
-- A view of that name that shows ours was made by this script before.
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE
        space.nspname = 'public' AND class.relname = 'data_retention_policy'
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_rewrite AS rule
            JOIN pg_catalog.pg_depend AS uses
                ON uses.classid = 'pg_catalog.pg_rewrite'::regclass AND uses.objid = rule.oid
            JOIN pg_catalog.pg_class AS shown
                ON uses.refclassid = 'pg_catalog.pg_class'::regclass AND shown.oid = uses.refobjid
            WHERE
                rule.ev_class = class.oid AND class.relkind = 'v' AND shown.relname = 'data_retention_policy'
                AND shown.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'archiver')
        )
) AS taken \gset
\if :taken
    DO $$
    BEGIN
        RAISE EXCEPTION 'nothing was granted: public.data_retention_policy is something else in this database'
        USING HINT = 'To go on with that table, set policies_from: public.data_retention_policy under jobs of the '
            'instance in the policy file. Otherwise ALTER TABLE public.data_retention_policy RENAME TO old_policies first.';
    END
    $$;
\endif
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'group') AS missing \gset
\if :missing
    CREATE ROLE :"group" NOLOGIN;
\endif
GRANT :"group" TO :"role";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"group";
GRANT USAGE ON SCHEMA public TO :"group";
SELECT
    NOT pg_has_role(
        :'archive', CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) AS to_join,
    pg_has_role(nspowner, 'USAGE') AS to_grant,
    NOT has_schema_privilege(:'archive', 'public', 'CREATE') AS to_lend
FROM pg_catalog.pg_namespace
WHERE nspname = 'archiver' \gset
\if :to_grant
    GRANT USAGE ON SCHEMA archiver TO :"group";
\endif
\if :to_lend
    GRANT USAGE, CREATE ON SCHEMA public TO :"archive";
\endif
\if :to_join
    GRANT :"archive" TO CURRENT_USER;
\endif
SET LOCAL ROLE :"archive";
\if :to_grant
\else
    GRANT USAGE ON SCHEMA archiver TO :"group";
\endif
CREATE OR REPLACE VIEW public.data_retention_policy AS SELECT * FROM archiver.data_retention_policy;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.data_retention_policy, archiver.data_retention_policy TO :"group";
-- What these write of a job, and none of what makes it a call. The guard of archiver.jobs sees who it is.
GRANT SELECT (job_id, job_name, schedule_interval, updated_at) ON archiver.jobs TO :"group";
GRANT INSERT (
    job_id, job_name, action, database_name, config, cron_schedule, schedule_interval, initial_start, timezone
) ON archiver.jobs TO :"group";
GRANT UPDATE (
    job_name, action, database_name, config, cron_schedule, schedule_interval, scheduled, next_start
) ON archiver.jobs TO :"group";
GRANT DELETE ON archiver.jobs TO :"group";
GRANT SELECT ON archiver.job_stats, archiver.job_errors, archiver.job_history TO :"group";
GRANT EXECUTE ON ROUTINE
    archiver.add_retention_policy, archiver.remove_retention_policy, archiver.name_table, archiver.name_retention_job,
    archiver.run_job
TO :"group";
\if :{?database}
    INSERT INTO archiver.policy_owners (role, database_name) VALUES (:'role', :'database') ON CONFLICT DO NOTHING;
\endif
RESET ROLE;
\if :to_join
    REVOKE :"archive" FROM CURRENT_USER;
\endif
\if :to_lend
    REVOKE CREATE ON SCHEMA public FROM :"archive";
\endif
COMMIT;
