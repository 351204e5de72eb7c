-- Jobs may come from a table of policies that was there before this program (source 'policies', see policies_from of the
-- policy file), whose rows are mirrored as those of the file are; and who may write jobs may be held to some databases:
-- where archiver.policy_owners has rows for a role, it and its members write jobs of those databases alone, '*' standing
-- for any. Without such rows there is no such rule.
ALTER TABLE archiver.jobs
    DROP CONSTRAINT IF EXISTS jobs_source_check,
    ADD CONSTRAINT jobs_source_check CHECK (source IN ('table', 'file', 'policies')) NOT VALID;

CREATE TABLE IF NOT EXISTS archiver.policy_owners (
    role name NOT NULL CHECK (role <> ''),
    database_name text NOT NULL CHECK (database_name <> ''),
    PRIMARY KEY (role, database_name)
);

COMMENT ON TABLE archiver.policy_owners IS 'Databases of whose jobs a role alone may write; a role without rows is free';

-- Whoever writes a job, by whatever right, is judged by these rules with his own rights. They name roles and databases,
-- which every login sees anyway.
GRANT SELECT ON archiver.policy_owners TO PUBLIC;

-- Who may write which job, and what of it is refused: as before, and the two things above.
CREATE OR REPLACE FUNCTION archiver.guard_job() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ledgers boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE');
    owners boolean := ledgers OR pg_has_role(
        current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'
    );
    shown text := CASE TG_OP WHEN 'INSERT' THEN NEW.job_name ELSE OLD.job_name END;
    -- Where a job comes from that nobody but this program may write, and what people are to change instead.
    kept_by text[] := CASE coalesce(
        CASE WHEN TG_OP <> 'INSERT' AND OLD.source <> 'table' THEN OLD.source END,
        CASE WHEN TG_OP <> 'DELETE' THEN NEW.source END
    )
        WHEN 'file' THEN ARRAY['one of the policy file', 'change the file']
        WHEN 'policies' THEN ARRAY['a row of the table that policies_from names', 'change that table']
    END;
    beyond record;
    wrong text[];
BEGIN
    IF NOT ledgers AND kept_by IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'source',
            MESSAGE = format(
                'job "%s" is, or would be, %s (source ''%s''). Nothing was saved. Fix: %s, or use another job_name with '
                'source ''table''', shown, kept_by[1],
                CASE WHEN TG_OP <> 'INSERT' AND OLD.source <> 'table' THEN OLD.source ELSE NEW.source END, kept_by[2]
            );
    END IF;
    -- Both whoever has logged in and whoever that acts as keep to the databases that they are given, if any.
    IF NOT ledgers THEN
        SELECT who.name, spoken.database_name INTO beyond
        FROM unnest(ARRAY[session_user, current_user]) AS who (name)
        CROSS JOIN (
            SELECT coalesce(OLD.database_name, current_database()) COLLATE "C" AS database_name WHERE TG_OP <> 'INSERT'
            UNION
            SELECT coalesce(NEW.database_name, current_database()) COLLATE "C" WHERE TG_OP <> 'DELETE'
        ) AS spoken
        CROSS JOIN LATERAL (
            SELECT count(*) AS rules, bool_or(rule.database_name IN ('*', spoken.database_name)) AS allowed
            FROM archiver.policy_owners AS rule
            JOIN pg_roles AS role ON role.rolname = rule.role
            WHERE pg_has_role(who.name, role.oid, 'USAGE')
        ) AS own
        WHERE
            own.rules > 0 AND NOT own.allowed
            AND NOT pg_has_role(who.name, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
                COLUMN = 'database_name',
                MESSAGE = format(
                    'job "%s" speaks of database "%s", and archiver.policy_owners gives role "%s" others. Nothing was '
                    'saved. Fix: name one of those, or let the archive''s own role add a row there', shown,
                    beyond.database_name, beyond.name
                );
        END IF;
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
        WHEN NEW.source NOT IN ('table', 'file', 'policies')
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

-- As before, and when it was asked for: what was asked for before a rehearsal ended was asked for blindly.
CREATE OR REPLACE FUNCTION archiver.apply_next_start() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.next_start IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE archiver.job_state SET next_start = NEW.next_start, due_by = 'manual', asked_at = clock_timestamp()
    WHERE job_id = NEW.job_id;
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
    INSERT INTO archiver.job_state (job_id, database_name, next_start, due_by, asked_at)
    VALUES (
        NEW.job_id, coalesce(NEW.database_name, current_database()), NEW.next_start, 'manual', clock_timestamp()
    );
    RETURN NULL;
END
$$;
