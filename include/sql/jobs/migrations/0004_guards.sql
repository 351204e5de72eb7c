-- Who may write which job, and what of it is refused, in words that name the column and the fix. It runs with the
-- rights of whoever writes: a function that runs with its owner's is one more role, and not that of the session.
CREATE OR REPLACE FUNCTION archiver.guard_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ledgers boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE');
    owners boolean := ledgers OR pg_has_role(
        current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'
    );
    shown text := CASE TG_OP WHEN 'INSERT' THEN NEW.job_name ELSE OLD.job_name END;
    wrong text[];
BEGIN
    IF NOT ledgers AND (
        TG_OP <> 'INSERT' AND OLD.source = 'file' OR TG_OP <> 'DELETE' AND NEW.source = 'file'
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'source',
            MESSAGE = format(
                'job "%s" is, or would be, one of the policy file (source ''file''). Nothing was saved. Fix: change the '
                'file, or use another job_name with source ''table''', shown
            );
    END IF;
    IF TG_OP <> 'INSERT' AND NOT (
        owners OR OLD.owner = session_user
        OR coalesce(pg_has_role(current_user, to_regrole(quote_ident(OLD.owner))::oid, 'USAGE'), false)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'owner',
            MESSAGE = format(
                'job "%s" belongs to role "%s", of which role "%s" is no member. Nothing was saved. Fix: let its owner '
                'or the owner of the database do it', shown, OLD.owner, current_user
            );
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;

    IF TG_OP = 'INSERT' THEN
        IF NOT ledgers THEN
            NEW.owner := session_user;
            NEW.created_at := clock_timestamp();
        END IF;
    ELSE
        NEW.created_at := OLD.created_at;
        IF NEW.owner <> OLD.owner AND NOT (
            ledgers OR coalesce(pg_has_role(current_user, to_regrole(quote_ident(NEW.owner))::oid, 'USAGE'), false)
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'owner',
                MESSAGE = format(
                    'job "%s" cannot be given to role "%s", of which role "%s" is no member. Nothing was saved. Fix: '
                    'name a role of yours, or leave owner alone', shown, NEW.owner, current_user
                );
        END IF;
    END IF;
    NEW.updated_at := clock_timestamp();
    NEW.config := coalesce(NEW.config, '{}');
    IF NEW.proc_name IS NOT NULL THEN
        NEW.proc_schema := coalesce(NEW.proc_schema, 'public');
    ELSIF TG_OP = 'UPDATE' AND OLD.proc_name IS NOT NULL THEN
        NEW.proc_schema := NULL;
    END IF;
    IF NEW.check_name IS NOT NULL THEN
        NEW.check_schema := coalesce(NEW.check_schema, 'public');
    END IF;
    NEW.job_name := coalesce(
        NEW.job_name,
        format(CASE WHEN NEW.action = 'call' THEN 'User-Defined Action [%s]' ELSE NEW.action || ' [%s]' END, NEW.job_id)
    );

    wrong := CASE
        WHEN TG_OP = 'UPDATE' AND NEW.job_id <> OLD.job_id
            THEN ARRAY['job_id', 'cannot change', 'delete the job and make another']
        WHEN NEW.job_id <= 0
            THEN ARRAY['job_id', 'is not above 0', 'leave it out']
        WHEN NEW.job_name = ''
            THEN ARRAY['job_name', 'is empty', 'give the job a name, or leave it out']
        WHEN length(NEW.job_name) > 200
            THEN ARRAY['job_name', 'has more than 200 characters', 'make it shorter']
        WHEN NEW.job_name ~ '[[:cntrl:]]'
            THEN ARRAY['job_name', 'holds control characters, such as the end of a line', 'leave them out']
        WHEN NEW.source NOT IN ('table', 'file')
            THEN ARRAY['source', 'is unknown', 'leave it out']
        WHEN NEW.action NOT IN ('archive', 'delete', 'call', 'function')
            THEN ARRAY['action', 'is unknown', 'use archive, delete, call or function']
        WHEN NEW.database_name = ''
            THEN ARRAY['database_name', 'is empty', 'name a database, or leave it out for this one']
        WHEN NEW.action = 'call' AND coalesce(NEW.proc_name, '') = ''
            THEN ARRAY['proc_name', 'is missing, and action is call', 'name the procedure']
        WHEN NEW.action <> 'call' AND NEW.proc_name IS NOT NULL
            THEN ARRAY['proc_name', 'is set, and action is ' || NEW.action, 'set action to call']
        WHEN NEW.proc_schema = '' OR NEW.proc_name IS NULL AND NEW.proc_schema IS NOT NULL
            THEN ARRAY['proc_schema', 'is empty, or stands alone', 'name a schema and proc_name, or leave both out']
        WHEN NEW.check_name = '' OR NEW.check_schema = '' OR NEW.check_name IS NULL AND NEW.check_schema IS NOT NULL
            THEN ARRAY['check_name', 'is empty, or missing', 'name check_schema and check_name, or leave both out']
        WHEN NEW.action = 'function' AND coalesce(NEW.function_name, '') = ''
            THEN ARRAY['function_name', 'is missing, and action is function', 'name a registered function']
        WHEN NEW.action <> 'function' AND NEW.function_name IS NOT NULL
            THEN ARRAY['function_name', 'is set, and action is ' || NEW.action, 'set action to function']
        WHEN jsonb_typeof(NEW.config) <> 'object'
            THEN ARRAY['config', 'is a JSON ' || jsonb_typeof(NEW.config), 'give an object, such as {"days": 2}']
        WHEN octet_length(NEW.config::text) > 65536
            THEN ARRAY['config', 'has more than 65,536 bytes', 'keep large things in a table, and its key here']
        WHEN NEW.cron_schedule IS NOT NULL AND NEW.schedule_interval IS NOT NULL
            THEN ARRAY['cron_schedule', 'and schedule_interval are both set', 'leave one of them out']
        WHEN NEW.cron_schedule = ''
            THEN ARRAY['cron_schedule', 'is empty', 'give five fields, such as 30 2 * * *, or leave it out']
        WHEN NOT isfinite(NEW.schedule_interval) OR NEW.schedule_interval > interval '100 years'
            THEN ARRAY['schedule_interval', 'is longer than 100 years', 'make it shorter']
        WHEN
            NEW.schedule_interval < interval '1 second'
            OR least(
                extract(YEAR FROM NEW.schedule_interval), extract(MONTH FROM NEW.schedule_interval),
                extract(DAY FROM NEW.schedule_interval), extract(HOUR FROM NEW.schedule_interval),
                extract(MINUTE FROM NEW.schedule_interval), extract(SECOND FROM NEW.schedule_interval)
            ) < 0
            THEN ARRAY['schedule_interval', 'is shorter than a second, or part of it is negative', 'make it longer']
        WHEN
            NEW.fixed_schedule
            AND (extract(YEAR FROM NEW.schedule_interval) <> 0 OR extract(MONTH FROM NEW.schedule_interval) <> 0)
            AND NEW.schedule_interval <> date_trunc('month', NEW.schedule_interval)
            THEN ARRAY['schedule_interval', 'has months and shorter parts, and fixed_schedule is true',
                'give months alone or none, or set fixed_schedule to false']
        WHEN NEW.cron_schedule IS NOT NULL AND NOT NEW.fixed_schedule
            THEN ARRAY['fixed_schedule', 'is false, and a cron schedule is fixed', 'leave it out']
        WHEN NOT isfinite(NEW.initial_start) OR NEW.initial_start NOT BETWEEN '1970-01-01 UTC' AND '2999-12-31 UTC'
            THEN ARRAY['initial_start', 'is not between 1970 and 2999', 'give a moment, or leave it out']
        WHEN NOT isfinite(NEW.next_start) OR NEW.next_start NOT BETWEEN '1970-01-01 UTC' AND '2999-12-31 UTC'
            THEN ARRAY['next_start', 'is not between 1970 and 2999', 'give a moment; scheduled => false pauses a job']
        WHEN NOT isfinite(NEW.max_runtime) OR NEW.max_runtime NOT BETWEEN interval '0' AND interval '24 hours'
            THEN ARRAY['max_runtime', 'is not between 0 and 24 hours', 'use 0 for the limit of the task']
        WHEN NEW.max_retries < -1
            THEN ARRAY['max_retries', 'is below -1', 'use -1 to try for ever, 0 to try never again']
        WHEN
            NOT isfinite(NEW.retry_period)
            OR NEW.retry_period NOT BETWEEN interval '1 second' AND interval '1 year'
            OR least(
                extract(YEAR FROM NEW.retry_period), extract(MONTH FROM NEW.retry_period),
                extract(DAY FROM NEW.retry_period), extract(HOUR FROM NEW.retry_period),
                extract(MINUTE FROM NEW.retry_period), extract(SECOND FROM NEW.retry_period)
            ) < 0
            THEN ARRAY['retry_period', 'is not between a second and a year', 'use 5 minutes, say']
        WHEN greatest(
            length(NEW.application_name), length(NEW.database_name), length(NEW.proc_schema), length(NEW.proc_name),
            length(NEW.check_schema), length(NEW.check_name), length(NEW.function_name), length(NEW.cron_schedule),
            length(NEW.run_window), length(NEW.timezone)
        ) > 1000
            THEN ARRAY['a text', 'has more than 1,000 characters', 'make it shorter']
        WHEN getdatabaseencoding() = 'SQL_ASCII' AND NEW::text ~ '[^[:ascii:]]'
            THEN ARRAY['a text', 'is not ASCII, and the database has no encoding', 'use ASCII alone']
    END;
    IF wrong IS NULL AND NEW.timezone <> 'UTC' THEN
        -- What looks like EST5 is read as a rule without summer time, whatever its letters say.
        IF NEW.timezone !~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$' THEN
            wrong := ARRAY['timezone', 'is not the name of a time zone', 'use one such as Europe/Berlin'];
        ELSE
            BEGIN
                PERFORM clock_timestamp() AT TIME ZONE NEW.timezone;
            EXCEPTION WHEN invalid_parameter_value THEN
                wrong := ARRAY['timezone', 'is not the name of a time zone', 'use one such as Europe/Berlin'];
            END;
        END IF;
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = wrong[1],
            MESSAGE = format(
                '%s of job "%s" %s. Nothing was saved. Fix: %s', wrong[1], left(NEW.job_name, 200), wrong[2], wrong[3]
            );
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON archiver.jobs
FOR EACH ROW EXECUTE FUNCTION archiver.guard_job();

-- A number that was chosen by hand, as by who brings jobs from elsewhere, moves the table's own numbers past it, so that
-- nobody's next job meets it; but not so far that they come to their end. The ledger's owner may read the sequence.
CREATE OR REPLACE FUNCTION archiver.follow_job_id() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    numbers regclass := pg_get_serial_sequence('archiver.jobs', 'job_id')::regclass;
    ahead bigint := NEW.job_id - coalesce(pg_sequence_last_value(numbers), 999);
BEGIN
    IF ahead > 100000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'job_id',
            MESSAGE = format(
                'job_id of job "%s" is more than 100,000 beyond the last one. Nothing was saved. Fix: leave it out',
                NEW.job_name
            );
    END IF;
    IF ahead > 0 THEN
        PERFORM nextval(numbers) FROM generate_series(1, ahead);
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER guard_number BEFORE INSERT ON archiver.jobs
FOR EACH ROW EXECUTE FUNCTION archiver.follow_job_id();

-- Whoever plans reads all jobs of a database at once, of all databases of a server in one process: so they are no more
-- than it can hold.
CREATE OR REPLACE FUNCTION archiver.limit_jobs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    jobs bigint;
    bytes bigint;
BEGIN
    SELECT count(*), sum(config_bytes) INTO jobs, bytes FROM archiver.jobs;
    IF jobs > 5000 OR bytes > 16777216 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'config',
            MESSAGE = 'a database may have 5,000 jobs, and 16 MB of config in all of them. Nothing was saved. Fix: delete '
            'jobs, or keep large things in a table, and their keys in config';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER limit_jobs AFTER INSERT OR UPDATE OF config ON archiver.jobs
FOR EACH STATEMENT EXECUTE FUNCTION archiver.limit_jobs();

-- What has changed, by whom. It runs as the ledger's owner, since nobody else may write there.
CREATE OR REPLACE FUNCTION archiver.note_job_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - '{next_start,updated_at,config_bytes}'::text[] END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - '{next_start,updated_at,config_bytes}'::text[] END;
BEGIN
    IF before IS DISTINCT FROM after THEN
        INSERT INTO archiver.job_changes (job_id, who, old, new)
        VALUES (coalesce(after ->> 'job_id', before ->> 'job_id')::integer, session_user, before, after);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON archiver.jobs
FOR EACH ROW EXECUTE FUNCTION archiver.note_job_change();

-- What a person or the job itself asks for is there at once, whoever plans. A job that never was planned gets a state
-- of which nothing is known but this; of one for every database ('*') the next plan makes the states.
CREATE OR REPLACE FUNCTION archiver.apply_next_start() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.next_start IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE archiver.job_state SET next_start = NEW.next_start, due_by = 'manual' WHERE job_id = NEW.job_id;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    IF NEW.database_name = '*' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = 'next_start',
            MESSAGE = format(
                'job "%s" was not planned yet, so its databases are not known. Nothing was saved. Fix: try again in a '
                'minute', NEW.job_name
            );
    END IF;
    INSERT INTO archiver.job_state (job_id, database_name, next_start, due_by)
    VALUES (NEW.job_id, coalesce(NEW.database_name, current_database()), NEW.next_start, 'manual');
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER apply_next_start AFTER INSERT OR UPDATE OF next_start ON archiver.jobs
FOR EACH ROW EXECUTE FUNCTION archiver.apply_next_start();

-- One that has given up is planned anew as soon as somebody says that it is scheduled, though the row says so already.
CREATE OR REPLACE FUNCTION archiver.take_up_again() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE archiver.job_state SET definition = '', next_start = NULL
    WHERE job_id = NEW.job_id AND state = 'exhausted';
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER take_up_again AFTER UPDATE OF scheduled ON archiver.jobs
FOR EACH ROW WHEN (NEW.scheduled) EXECUTE FUNCTION archiver.take_up_again();

-- Whoever waits for due jobs looks at once: one notice for each statement that has changed a row.
CREATE OR REPLACE FUNCTION archiver.announce_jobs() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        PERFORM pg_notify('archiver_due', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER announce_inserted AFTER INSERT ON archiver.jobs REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION archiver.announce_jobs();

CREATE OR REPLACE TRIGGER announce_updated AFTER UPDATE ON archiver.jobs REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION archiver.announce_jobs();

CREATE OR REPLACE TRIGGER announce_deleted AFTER DELETE ON archiver.jobs REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION archiver.announce_jobs();

REVOKE ALL ON FUNCTION archiver.guard_job FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.follow_job_id FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.limit_jobs FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.note_job_change FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.apply_next_start FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.take_up_again FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.announce_jobs FROM PUBLIC
