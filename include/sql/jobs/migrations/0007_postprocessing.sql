-- The two tables of hdbpp-postprocessing, as views: what was written into its own works here, by INSERT, UPDATE, DELETE. A
-- job without a schema is one of schema public, and names are folded as that service's SQL folded them. It ran all of
-- its jobs once a day, so a job that comes in by this view has that schedule until somebody gives it another.
CREATE OR REPLACE VIEW archiver.postprocessing_jobs AS
SELECT
    job_id::bigint AS job_id,
    application_name,
    CASE WHEN proc_schema = 'public' THEN quote_ident(proc_name) ELSE format('%I.%I', proc_schema, proc_name) END
        AS proc_name,
    config
FROM archiver.jobs
WHERE action = 'call';

CREATE OR REPLACE FUNCTION archiver.write_postprocessing_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[];
    fits boolean := true;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM archiver.jobs WHERE job_id = OLD.job_id;
        RETURN OLD;
    END IF;
    BEGIN
        parts := parse_ident(NEW.proc_name);
    EXCEPTION WHEN invalid_parameter_value THEN
        fits := false;
    END;
    IF NOT fits OR coalesce(cardinality(parts), 0) NOT IN (1, 2) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'proc_name',
            MESSAGE = 'proc_name is not the name of a procedure. Nothing was saved. Fix: write name, schema.name, or '
            '"Name" where it has capitals';
    END IF;
    IF NEW.job_id NOT BETWEEN 1 AND 2147483647 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'job_id',
            MESSAGE = format(
                'job_id %s is not between 1 and 2,147,483,647. Nothing was saved. Fix: leave it out', NEW.job_id
            );
    END IF;
    IF TG_OP = 'UPDATE' THEN
        UPDATE archiver.jobs
        SET
            job_id = NEW.job_id,
            application_name = coalesce(NEW.application_name, 'archiver'),
            proc_schema = CASE WHEN cardinality(parts) = 2 THEN parts[1] ELSE 'public' END,
            proc_name = parts[cardinality(parts)],
            config = NEW.config
        WHERE job_id = OLD.job_id;
    ELSIF NEW.job_id IS NULL THEN
        INSERT INTO archiver.jobs (application_name, action, proc_schema, proc_name, config, cron_schedule)
        VALUES (
            coalesce(NEW.application_name, 'archiver'), 'call',
            CASE WHEN cardinality(parts) = 2 THEN parts[1] ELSE 'public' END, parts[cardinality(parts)], NEW.config,
            '0 22 * * *'
        )
        RETURNING job_id INTO NEW.job_id;
    ELSE
        INSERT INTO archiver.jobs (job_id, application_name, action, proc_schema, proc_name, config, cron_schedule)
        VALUES (
            NEW.job_id, coalesce(NEW.application_name, 'archiver'), 'call',
            CASE WHEN cardinality(parts) = 2 THEN parts[1] ELSE 'public' END, parts[cardinality(parts)], NEW.config,
            '0 22 * * *'
        );
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER write_job INSTEAD OF INSERT OR UPDATE OR DELETE ON archiver.postprocessing_jobs
FOR EACH ROW EXECUTE FUNCTION archiver.write_postprocessing_job();

CREATE OR REPLACE VIEW archiver.postprocessing_jobs_stats AS
SELECT
    job_id::bigint AS job_id,
    last_run_started_at,
    last_successful_finish,
    last_run_status,
    job_status,
    last_run_duration,
    total_runs,
    total_successes,
    total_failures
FROM archiver.job_stats
WHERE source <> 'dag' AND action = 'call' AND source_database = current_database();

-- Statistics that a job brings along from that service, once, before its first run here. Its owner may write them, and so
-- may the owners of the database and of the ledger: the role that has logged in, since this runs as the ledger's owner.
CREATE OR REPLACE FUNCTION archiver.bring_postprocessing_stats() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
    -- That service had both words in either column.
    succeeded boolean := concat(NEW.last_run_status, NEW.job_status) ~* 'success';
BEGIN
    SELECT found.job_name, coalesce(found.database_name, current_database()) AS database_name,
        pg_has_role(session_user, class.relowner, 'USAGE')
        OR pg_has_role(session_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
        OR coalesce(pg_has_role(session_user, to_regrole(quote_ident(found.owner))::oid, 'USAGE'), false) AS allowed
    INTO job
    FROM archiver.jobs AS found
    JOIN pg_class AS class ON class.oid = 'archiver.jobs'::regclass
    WHERE found.job_id = NEW.job_id AND found.action = 'call' AND found.database_name IS DISTINCT FROM '*';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'job_id',
            MESSAGE = format('job %s not found. Nothing was saved. Fix: insert the job first', NEW.job_id);
    END IF;
    IF NOT job.allowed THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'job_id',
            MESSAGE = format(
                'job "%s" is another role''s. Nothing was saved. Fix: let its owner or the owner of the database do it',
                job.job_name
            );
    END IF;
    IF NOT (
        coalesce(NEW.last_run_started_at BETWEEN '1970-01-01 UTC' AND '2999-12-31 UTC', true)
        AND coalesce(NEW.last_successful_finish BETWEEN '1970-01-01 UTC' AND '2999-12-31 UTC', true)
        AND coalesce(NEW.last_run_duration BETWEEN interval '0' AND interval '100 years', true)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = 'last_run_started_at',
            MESSAGE = format(
                'a time of job "%s" is not between 1970 and 2999, or its duration is negative. Nothing was saved. Fix: '
                'leave it out', job.job_name
            );
    END IF;
    INSERT INTO archiver.job_state AS state (
        job_id, database_name, last_start, last_finish, last_successful_finish, last_run_success, total_runs,
        total_successes, total_failures, total_duration
    )
    VALUES (
        NEW.job_id, job.database_name, NEW.last_run_started_at, NEW.last_run_started_at + NEW.last_run_duration,
        NEW.last_successful_finish, CASE WHEN NEW.last_run_started_at IS NOT NULL THEN succeeded END,
        greatest(coalesce(NEW.total_runs, 0), 0), greatest(coalesce(NEW.total_successes, 0), 0),
        greatest(coalesce(NEW.total_failures, 0), 0), coalesce(NEW.last_run_duration, '0')
    )
    ON CONFLICT (job_id, database_name) DO UPDATE
    SET
        last_start = excluded.last_start,
        last_finish = excluded.last_finish,
        last_successful_finish = excluded.last_successful_finish,
        last_run_success = excluded.last_run_success,
        total_runs = excluded.total_runs,
        total_successes = excluded.total_successes,
        total_failures = excluded.total_failures,
        total_duration = excluded.total_duration
    WHERE state.total_runs = 0 AND state.last_folded IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = 'job_id',
            MESSAGE = format(
                'job "%s" has statistics of its own already. Nothing was saved. Fix: none is needed', job.job_name
            );
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER bring_stats INSTEAD OF INSERT ON archiver.postprocessing_jobs_stats
FOR EACH ROW EXECUTE FUNCTION archiver.bring_postprocessing_stats();

REVOKE ALL ON FUNCTION archiver.write_postprocessing_job FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.bring_postprocessing_stats FROM PUBLIC
