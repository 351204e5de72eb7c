-- A policy that archives may keep the newest versions too. The rest is as in 0014_versions_of_policies.sql.
CREATE OR REPLACE FUNCTION archiver.write_retention_policy() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    longest integer := current_setting('max_identifier_length')::integer;
    of_table text[] := '{table,timestamp_column,keep_days,batch_size,keep_versions}';
    job text;
    job_before text;
    told jsonb;
    wrong text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM archiver.jobs WHERE job_id = OLD.id;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.action := coalesce(NEW.action, 'archive');
        NEW.settings := coalesce(NEW.settings, '{}');
    END IF;
    wrong := CASE
        WHEN TG_OP = 'UPDATE' AND NEW.id IS DISTINCT FROM OLD.id
            THEN ARRAY['id', 'cannot change', 'delete the row and insert another']
        WHEN NEW.keep_versions NOT BETWEEN 1 AND 10000
            THEN ARRAY['keep_versions', 'is not between 1 and 10,000', 'say how many versions of a key stay']
        WHEN NEW.keep_versions IS NOT NULL AND NOT coalesce(NEW.settings, '{}') ?& '{key_columns,version_column}'
            THEN ARRAY['keep_versions', 'is set, and settings do not say which columns are the key and the version',
                'add {"key_columns": ["doc_id"], "version_column": "version"}, say, to settings']
        WHEN NEW.reason IS DISTINCT FROM OLD.reason
            THEN ARRAY['reason', 'is for this program to say', 'leave it out']
        WHEN NEW.state IS DISTINCT FROM OLD.state
            THEN ARRAY['state', 'is for this program to say', 'leave it out; archiver.jobs.scheduled pauses a job']
        WHEN NEW.last_run IS DISTINCT FROM OLD.last_run
            THEN ARRAY['last_run', 'is for this program to say', 'leave it out']
        WHEN coalesce(NEW.action, '') NOT IN ('archive', 'delete')
            THEN ARRAY['action', 'is neither archive nor delete', 'use archive, or delete for no archive at all']
        WHEN coalesce(NEW.database_name, '') = ''
            THEN ARRAY['database_name', 'is missing', 'name the database of the table, or * for each that is allowed']
        WHEN coalesce(NEW.schema_name, '') = ''
            THEN ARRAY['schema_name', 'is missing', 'name the schema of the table, such as public']
        WHEN coalesce(NEW.table_name, '') = ''
            THEN ARRAY['table_name', 'is missing', 'name the table']
        WHEN NEW.timestamp_column_name = '' OR NEW.timestamp_column_name IS NULL AND NEW.keep_versions IS NULL AND (
            TG_OP = 'INSERT' OR OLD.timestamp_column_name IS NOT NULL
        )
            THEN ARRAY['timestamp_column_name', 'is missing', 'name the column that says how old a row is']
        WHEN octet_length(NEW.database_name) > longest
            THEN ARRAY['database_name', format('has more than %s bytes', longest), 'no database has so long a name']
        WHEN octet_length(NEW.schema_name) > longest
            THEN ARRAY['schema_name', format('has more than %s bytes', longest), 'no schema has so long a name']
        WHEN octet_length(NEW.table_name) > longest
            THEN ARRAY['table_name', format('has more than %s bytes', longest), 'no table has so long a name']
        WHEN octet_length(NEW.timestamp_column_name) > longest
            THEN ARRAY['timestamp_column_name', format('has more than %s bytes', longest), 'no column has so long a name']
        WHEN concat(NEW.database_name, NEW.schema_name, NEW.table_name) ~ '[[:cntrl:]]'
            THEN ARRAY['table_name', 'or that of its schema or database holds control characters',
                'rename it, or list the table in the policy file']
        WHEN NEW.retention_days IS NULL
            THEN ARRAY['retention_days', 'is missing', 'give the days that rows are kept, or -1 to keep all']
        WHEN NEW.retention_days NOT BETWEEN -1 AND 36500
            THEN ARRAY['retention_days', 'is not between -1 and 36,500', 'give the days that rows are kept, or -1 for all']
        WHEN NEW.batch_size NOT BETWEEN 1 AND 10000000
            THEN ARRAY['batch_size', 'is not between 1 and 10,000,000', 'use 1000, say, or leave it out']
        WHEN NEW.cron_schedule = '' OR NEW.cron_schedule IS NULL AND (TG_OP = 'INSERT' OR OLD.cron_schedule IS NOT NULL)
            THEN ARRAY['cron_schedule', 'is missing', 'give five fields, such as 0 0 * * *']
        WHEN jsonb_typeof(NEW.settings) IS DISTINCT FROM 'object'
            THEN ARRAY['settings', 'is no JSON object', 'leave it alone, or give one such as {"missing_ok": false}']
    END;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = wrong[1],
            MESSAGE = format(
                '%s of the policy for table "%s" %s. Nothing was saved. Fix: %s', wrong[1],
                left(concat_ws('.', NEW.schema_name, NEW.table_name), 200), wrong[2], wrong[3]
            );
    END IF;

    job := archiver.name_retention_job(NEW.database_name, NEW.schema_name, NEW.table_name);
    told := NEW.settings - of_table || jsonb_strip_nulls(
        jsonb_build_object(
            'table', archiver.name_table(NEW.schema_name, NEW.table_name), 'timestamp_column', NEW.timestamp_column_name,
            'keep_days', NEW.retention_days, 'batch_size', NEW.batch_size, 'keep_versions', NEW.keep_versions
        )
    );
    IF TG_OP = 'UPDATE' THEN
        job_before := archiver.name_retention_job(OLD.database_name, OLD.schema_name, OLD.table_name);
        UPDATE archiver.jobs AS changed
        SET
            job_name = CASE WHEN changed.job_name = job_before THEN job ELSE changed.job_name END,
            action = NEW.action,
            database_name = NEW.database_name,
            config = told,
            cron_schedule = NEW.cron_schedule,
            schedule_interval = CASE WHEN NEW.cron_schedule IS NULL THEN changed.schedule_interval END
        WHERE
            changed.job_id = OLD.id
            -- Said in our own words below; whoever commits between is told by the server in its own.
            AND (job = job_before OR NOT EXISTS (SELECT FROM archiver.jobs AS other WHERE other.job_name = job))
        RETURNING changed.updated_at INTO NEW.updated_at;
        IF NOT FOUND AND NOT EXISTS (SELECT FROM archiver.jobs AS gone WHERE gone.job_id = OLD.id) THEN
            RETURN NULL;
        END IF;
    ELSIF NEW.id IS NULL THEN
        INSERT INTO archiver.jobs AS made (job_name, action, database_name, config, cron_schedule)
        VALUES (job, NEW.action, NEW.database_name, told, NEW.cron_schedule)
        ON CONFLICT DO NOTHING
        RETURNING made.job_id, made.updated_at INTO NEW.id, NEW.updated_at;
    ELSE
        INSERT INTO archiver.jobs AS made (job_id, job_name, action, database_name, config, cron_schedule)
        VALUES (NEW.id, job, NEW.action, NEW.database_name, told, NEW.cron_schedule)
        ON CONFLICT DO NOTHING
        RETURNING made.updated_at INTO NEW.updated_at;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            MESSAGE = CASE
                WHEN TG_OP = 'INSERT' AND EXISTS (SELECT FROM archiver.jobs AS other WHERE other.job_id = NEW.id)
                    THEN format('id %s is taken by another job. Nothing was saved. Fix: leave id out', NEW.id)
                ELSE format(
                    'there is a job "%s" already. Nothing was saved. Fix: UPDATE that row of data_retention_policy, or '
                    'delete it first', job
                )
            END;
    END IF;
    RETURN NEW;
END
$$;

REVOKE ALL ON FUNCTION archiver.write_retention_policy FROM PUBLIC;
