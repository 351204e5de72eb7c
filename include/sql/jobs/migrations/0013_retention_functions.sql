-- Retention policies as TimescaleDB's users write them, for tables of this database: the same rows as those of
-- archiver.data_retention_policy, by the same rights, with an interval for a schedule.
CREATE OR REPLACE FUNCTION archiver.add_retention_policy(
    relation regclass,
    drop_after interval,
    if_not_exists boolean DEFAULT false,
    schedule_interval interval DEFAULT NULL,
    initial_start timestamptz DEFAULT NULL,
    timezone text DEFAULT NULL,
    timestamp_column text DEFAULT NULL,
    action text DEFAULT 'archive',
    batch_size integer DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named record;
    days numeric := extract(EPOCH FROM drop_after) / 86400;
    wrong text[];
    made integer;
BEGIN
    SELECT
        class.relname::text AS table_name, space.nspname::text AS schema_name, class.relkind IN ('r', 'p') AS fits,
        archiver.name_table(space.nspname::text, class.relname::text) AS shown,
        archiver.name_retention_job(current_database()::text, space.nspname::text, class.relname::text) AS job,
        ARRAY(
            SELECT attname::text
            FROM pg_attribute
            WHERE
                attrelid = class.oid AND attnum > 0 AND NOT attisdropped
                AND atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype, 'date'::regtype)
            ORDER BY attnum
        ) AS times
    INTO named
    FROM pg_class AS class
    JOIN pg_namespace AS space ON space.oid = class.relnamespace
    WHERE class.oid = add_retention_policy.relation;
    wrong := CASE
        WHEN named.fits IS NOT TRUE
            THEN ARRAY['relation', 'is no table', 'name a table, or a partitioned one as a whole']
        WHEN add_retention_policy.timestamp_column IS NULL AND cardinality(named.times) <> 1
            THEN ARRAY['timestamp_column', 'is not given, and the table has ' || CASE cardinality(named.times)
                WHEN 0 THEN 'no column of a timestamp or date'
                ELSE 'several that it may be: ' || left(array_to_string(named.times, ', '), 200)
            END, 'give timestamp_column => the column that says how old a row is']
        WHEN add_retention_policy.timestamp_column <> ALL (named.times)
            THEN ARRAY['timestamp_column', 'is no column of a timestamp or date', 'name one, as the catalog writes it']
        WHEN drop_after IS NULL OR NOT isfinite(drop_after)
            THEN ARRAY['drop_after', 'is missing, or endless', 'give days, such as interval ''30 days''']
        WHEN extract(YEAR FROM drop_after) <> 0 OR extract(MONTH FROM drop_after) <> 0 OR days <> trunc(days)
            THEN ARRAY['drop_after', 'is no whole number of days', 'give days, such as interval ''30 days''']
        WHEN days NOT BETWEEN 0 AND 36500
            THEN ARRAY['drop_after', 'is not between 0 and 36,500 days', 'give days, such as interval ''30 days''']
        WHEN coalesce(add_retention_policy.action, '') NOT IN ('archive', 'delete')
            THEN ARRAY['action', 'is neither archive nor delete', 'use archive, or delete for no archive at all']
        WHEN add_retention_policy.batch_size NOT BETWEEN 1 AND 10000000
            THEN ARRAY['batch_size', 'is not between 1 and 10,000,000', 'use 1000, say, or leave it out']
    END;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value', COLUMN = wrong[1],
            MESSAGE = format(
                '%s of the policy for table "%s" %s. Nothing was saved. Fix: %s', wrong[1],
                coalesce(named.shown, add_retention_policy.relation::text), wrong[2], wrong[3]
            );
    END IF;
    INSERT INTO archiver.jobs AS policy (
        job_name, action, database_name, config, schedule_interval, initial_start, timezone
    )
    VALUES (
        named.job, add_retention_policy.action, current_database(),
        jsonb_strip_nulls(
            jsonb_build_object(
                'table', named.shown, 'timestamp_column',
                coalesce(add_retention_policy.timestamp_column, named.times[1]), 'keep_days', days::integer,
                'batch_size', add_retention_policy.batch_size
            )
        ),
        coalesce(add_retention_policy.schedule_interval, interval '1 day'), add_retention_policy.initial_start,
        coalesce(add_retention_policy.timezone, 'UTC')
    )
    ON CONFLICT DO NOTHING
    RETURNING policy.job_id INTO made;
    IF made IS NULL AND NOT coalesce(if_not_exists, false) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation', COLUMN = 'relation',
            MESSAGE = format(
                'there is a job "%s" already. Nothing was saved. Fix: UPDATE that row of data_retention_policy, or delete '
                'it first', named.job
            );
    END IF;
    IF made IS NULL THEN
        RAISE NOTICE 'retention policy already exists for table "%", skipping', named.shown;
    END IF;
    RETURN coalesce(made, -1);
END
$$;

CREATE OR REPLACE FUNCTION archiver.remove_retention_policy(relation regclass, if_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    job text := (
        SELECT archiver.name_retention_job(current_database()::text, space.nspname::text, class.relname::text)
        FROM pg_class AS class
        JOIN pg_namespace AS space ON space.oid = class.relnamespace
        WHERE class.oid = remove_retention_policy.relation
    );
BEGIN
    DELETE FROM archiver.jobs AS policy WHERE policy.job_name = job;
    IF FOUND THEN
        RETURN;
    END IF;
    IF if_exists THEN
        RAISE NOTICE 'retention policy not found for table "%", skipping', remove_retention_policy.relation;
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'undefined_object', COLUMN = 'relation',
        MESSAGE = format(
            'there is no job "%s". Nothing was changed. Fix: look for the policy in archiver.data_retention_policy',
            coalesce(job, remove_retention_policy.relation::text)
        );
END
$$;

REVOKE ALL ON FUNCTION archiver.add_retention_policy FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.remove_retention_policy FROM PUBLIC;

COMMENT ON FUNCTION archiver.add_retention_policy IS 'Lets rows of a table go that are older, and returns the number of the job';

COMMENT ON FUNCTION archiver.remove_retention_policy IS 'Takes the policy of a table away; its rows stay'
