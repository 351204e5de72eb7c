-- The functions by which TimescaleDB's users know jobs, with the names and the order of its arguments. They run with the
-- rights of whoever calls them, so that the guard of archiver.jobs sees who that is; nobody may call them unless it is
-- granted. A job that its own procedure alters is kept too: that is how a job sets its own next start.
CREATE OR REPLACE FUNCTION archiver.add_job(
    proc regproc,
    schedule_interval interval,
    config jsonb DEFAULT NULL,
    initial_start timestamptz DEFAULT NULL,
    scheduled boolean DEFAULT true,
    check_config regproc DEFAULT NULL,
    fixed_schedule boolean DEFAULT true,
    timezone text DEFAULT NULL,
    job_name text DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    called record;
    checking record;
    made integer;
BEGIN
    SELECT space.nspname, found.proname, found.proargtypes[0] IN ('integer'::regtype, 'bigint'::regtype)
        AND found.proargtypes[1] = 'jsonb'::regtype AND found.pronargs = 2 AND found.prokind IN ('p', 'f') AS fits
    INTO called
    FROM pg_proc AS found
    JOIN pg_namespace AS space ON space.oid = found.pronamespace
    WHERE found.oid = add_job.proc;
    IF called.fits IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value', COLUMN = 'proc',
            MESSAGE = format(
                '%s takes no (job_id integer, config jsonb). Nothing was saved. Fix: name a procedure or a function '
                'that takes them', coalesce(add_job.proc::text, 'proc')
            );
    END IF;
    SELECT space.nspname, found.proname
    INTO checking
    FROM pg_proc AS found
    JOIN pg_namespace AS space ON space.oid = found.pronamespace
    WHERE found.oid = add_job.check_config;
    INSERT INTO archiver.jobs AS made_job (
        job_name, action, proc_schema, proc_name, check_schema, check_name, config, schedule_interval, initial_start,
        scheduled, fixed_schedule, timezone
    )
    VALUES (
        add_job.job_name, 'call', called.nspname, called.proname, checking.nspname, checking.proname, add_job.config,
        add_job.schedule_interval, add_job.initial_start, coalesce(add_job.scheduled, true),
        coalesce(add_job.fixed_schedule, true), coalesce(add_job.timezone, 'UTC')
    )
    RETURNING made_job.job_id INTO made;
    RETURN made;
END
$$;

-- What is null stays as it is; a check_config of 0 takes the check away.
CREATE OR REPLACE FUNCTION archiver.change_job(
    changed_id integer,
    new_interval interval,
    new_max_runtime interval,
    new_max_retries integer,
    new_retry_period interval,
    new_scheduled boolean,
    new_config jsonb,
    new_next_start timestamptz,
    may_be_missing boolean,
    new_check regproc,
    new_fixed boolean,
    new_initial_start timestamptz,
    new_timezone text,
    new_name text
) RETURNS SETOF archiver.jobs
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    checking record;
BEGIN
    PERFORM FROM archiver.jobs WHERE job_id = changed_id;
    IF NOT FOUND THEN
        IF may_be_missing THEN
            RAISE NOTICE 'job % not found, skipping', changed_id;
            RETURN;
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('job %s not found', changed_id);
    END IF;
    SELECT space.nspname, found.proname
    INTO checking
    FROM pg_proc AS found
    JOIN pg_namespace AS space ON space.oid = found.pronamespace
    WHERE found.oid = new_check;
    IF num_nonnulls(
        new_interval, new_max_runtime, new_max_retries, new_retry_period, new_config, new_check, new_fixed,
        new_initial_start, new_timezone, new_name
    ) > 0 THEN
        UPDATE archiver.jobs
        SET
            schedule_interval = coalesce(new_interval, schedule_interval),
            cron_schedule = CASE WHEN new_interval IS NULL THEN cron_schedule END,
            max_runtime = coalesce(new_max_runtime, max_runtime),
            max_retries = coalesce(new_max_retries, max_retries),
            retry_period = coalesce(new_retry_period, retry_period),
            config = coalesce(new_config, config),
            check_schema = CASE WHEN new_check IS NULL THEN check_schema ELSE checking.nspname END,
            check_name = CASE WHEN new_check IS NULL THEN check_name ELSE checking.proname END,
            fixed_schedule = coalesce(new_fixed, fixed_schedule),
            initial_start = coalesce(new_initial_start, initial_start),
            timezone = coalesce(new_timezone, timezone),
            job_name = coalesce(new_name, job_name)
        WHERE job_id = changed_id;
    END IF;
    IF new_scheduled IS NOT NULL THEN
        UPDATE archiver.jobs SET scheduled = new_scheduled WHERE job_id = changed_id;
    END IF;
    IF new_next_start IS NOT NULL THEN
        UPDATE archiver.jobs SET next_start = new_next_start WHERE job_id = changed_id;
    END IF;
    RETURN QUERY SELECT * FROM archiver.jobs WHERE job_id = changed_id;
END
$$;

CREATE OR REPLACE FUNCTION archiver.alter_job(
    job_id integer,
    schedule_interval interval DEFAULT NULL,
    max_runtime interval DEFAULT NULL,
    max_retries integer DEFAULT NULL,
    retry_period interval DEFAULT NULL,
    scheduled boolean DEFAULT NULL,
    config jsonb DEFAULT NULL,
    next_start timestamptz DEFAULT NULL,
    if_exists boolean DEFAULT false,
    check_config regproc DEFAULT NULL,
    fixed_schedule boolean DEFAULT NULL,
    initial_start timestamptz DEFAULT NULL,
    timezone text DEFAULT NULL,
    job_name text DEFAULT NULL
) RETURNS TABLE (
    job_id integer,
    schedule_interval interval,
    max_runtime interval,
    max_retries integer,
    retry_period interval,
    scheduled boolean,
    config jsonb,
    next_start timestamptz,
    check_config text,
    fixed_schedule boolean,
    initial_start timestamptz,
    timezone text,
    application_name name
)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        changed.job_id, changed.schedule_interval, changed.max_runtime, changed.max_retries, changed.retry_period,
        changed.scheduled, changed.config, changed.next_start, changed.check_schema || '.' || changed.check_name,
        changed.fixed_schedule, changed.initial_start, changed.timezone, changed.application_name::name
    FROM archiver.change_job($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS changed
$$;

CREATE OR REPLACE FUNCTION archiver.delete_job(job_id integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM archiver.jobs AS job WHERE job.job_id = delete_job.job_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('job %s not found', delete_job.job_id);
    END IF;
END
$$;

-- It does not wait: the job starts within seconds, in a run of its own, and job_stats tells how it ended.
CREATE OR REPLACE PROCEDURE archiver.run_job(job_id integer)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job record;
BEGIN
    SELECT stats.job_name, stats.job_status, stats.reason
    INTO job
    FROM archiver.job_stats AS stats
    WHERE stats.job_id = run_job.job_id AND stats.source_database = current_database()
    ORDER BY stats.job_status IN ('Scheduled', 'Running') DESC
    LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('job %s not found', run_job.job_id);
    END IF;
    IF job.job_status NOT IN ('Scheduled', 'Running') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format(
                'job "%s" would not start: it is %s%s. Nothing was changed. Fix: %s', job.job_name,
                lower(job.job_status), coalesce(' (' || job.reason || ')', ''),
                CASE
                    WHEN job.job_status = 'Refused' THEN 'change the job'
                    ELSE format('SELECT archiver.alter_job(%s, scheduled => true)', run_job.job_id)
                END
            );
    END IF;
    UPDATE archiver.jobs AS asked SET next_start = clock_timestamp() WHERE asked.job_id = run_job.job_id;
    RAISE NOTICE 'job "%" is due now. It starts by itself within seconds; archiver.job_stats tells how it ended',
        job.job_name;
END
$$;

REVOKE ALL ON FUNCTION archiver.add_job FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.change_job FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.alter_job FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.delete_job FROM PUBLIC;

REVOKE ALL ON PROCEDURE archiver.run_job FROM PUBLIC;

COMMENT ON FUNCTION archiver.add_job IS 'Adds a job that calls this procedure, and returns its number';

COMMENT ON FUNCTION archiver.alter_job IS 'Changes a job; what is not given stays. next_start is its next start alone';

COMMENT ON FUNCTION archiver.delete_job IS 'Deletes a job and its statistics; a run that is at work ends by itself';

COMMENT ON PROCEDURE archiver.run_job IS 'Makes a job due now, and does not wait for it: see archiver.job_stats'
