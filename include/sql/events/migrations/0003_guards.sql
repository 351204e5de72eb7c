-- The columns that a topic names: '.col' one, '.a.b' two, each as the catalog writes it, in double quotes (doubled inside)
-- where it holds a dot or a quote. None for '' and for a name; null where it begins with a dot and cannot be read.
CREATE OR REPLACE FUNCTION archiver.split_topic(topic text) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN topic NOT LIKE '.%' THEN '{}'
        WHEN topic ~ '^(\.("([^"]|"")+"|[^".]+))+$' THEN ARRAY(
            SELECT CASE
                WHEN found.part[1] LIKE '"%' THEN replace(substr(found.part[1], 2, length(found.part[1]) - 2), '""', '"')
                ELSE found.part[1]
            END
            FROM regexp_matches(topic, '\.("(?:[^"]|"")+"|[^".]+)', 'g') WITH ORDINALITY AS found (part, place)
            ORDER BY found.place
        )
    END
$$;

-- What is known of a job by its number, else by its name: to whoever binds tables to it, and so without any of its
-- settings. It reads the jobs as their owner.
CREATE OR REPLACE FUNCTION archiver.find_function_job(
    wanted_id integer, wanted_name text,
    OUT job_id integer, OUT job_name text, OUT action text, OUT source text, OUT owner name, OUT database_name text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT job.job_id, job.job_name, job.action, job.source, job.owner, job.database_name
    FROM archiver.jobs AS job
    WHERE CASE WHEN wanted_id IS NULL THEN job.job_name = wanted_name ELSE job.job_id = wanted_id END
$$;

-- Who may bind which table to which job: its owner, to a job of his or of the policy file. It runs with the rights of
-- whoever writes. What shapes the triggers never changes, since their text was made from it.
CREATE OR REPLACE FUNCTION archiver.guard_binding_rights() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ledgers boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE');
    owners boolean := ledgers OR pg_has_role(
        current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'
    );
    source regclass := CASE TG_OP WHEN 'INSERT' THEN NEW.source ELSE OLD.source END;
    channel text := CASE TG_OP WHEN 'INSERT' THEN NEW.channel ELSE OLD.channel END;
    of_source boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = source), 'USAGE');
    shown text := CASE WHEN source IS NULL THEN 'channel ' || coalesce(channel, '(none)') ELSE 'table ' || source::text END;
BEGIN
    IF NOT coalesce(
        CASE
            WHEN TG_OP = 'INSERT' AND source IS NOT NULL THEN of_source
            WHEN TG_OP = 'INSERT' THEN ledgers OR channel IS NOT NULL
            ELSE owners OR of_source
                OR source IS NULL AND pg_has_role(current_user, to_regrole(quote_ident(OLD.owner))::oid, 'USAGE')
        END, false
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'source',
            MESSAGE = format(
                'the binding of %s is %s, of whom role "%s" is no member. Nothing was saved. Fix: let that one do it',
                shown,
                CASE WHEN source IS NULL THEN 'for whoever made it' ELSE 'for the owner of the table' END, current_user
            );
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NOT ledgers THEN
            NEW.owner := current_user;
            NEW.created_at := clock_timestamp();
        END IF;
        RETURN NEW;
    END IF;
    NEW.created_at := OLD.created_at;
    IF NOT ledgers THEN
        NEW.owner := OLD.owner;
    END IF;
    IF
        ROW(
            NEW.binding_id, NEW.source, NEW.channel, NEW.operations, NEW.changed_columns, NEW.topic, NEW.queue,
            NEW.key_columns, NEW.payload_columns
        ) IS DISTINCT FROM ROW(
            OLD.binding_id, OLD.source, OLD.channel, OLD.operations, OLD.changed_columns, OLD.topic, OLD.queue,
            OLD.key_columns, OLD.payload_columns
        )
        OR NOT ledgers AND ROW(NEW.job_id, NEW.job_name) IS DISTINCT FROM ROW(OLD.job_id, OLD.job_name)
        OR OLD.removed_at IS NOT NULL AND NEW.removed_at IS NULL
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = 'source',
            MESSAGE = format(
                'the binding of %s cannot become another one; only priority, merge, delay, max_attempts, transaction, '
                'log, keep_log, keep_dead, max_waiting, enabled and suspended_at change. Nothing was saved. Fix: SELECT '
                'archiver.unwatch(%s), and watch anew', shown, OLD.binding_id
            );
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER guard_1_rights BEFORE INSERT OR UPDATE OR DELETE ON archiver.bindings
FOR EACH ROW EXECUTE FUNCTION archiver.guard_binding_rights();

-- What of a new binding is refused because of what it names: a table, a channel, a job, columns. In words that name the
-- column and the fix.
CREATE OR REPLACE FUNCTION archiver.guard_binding_names() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owners boolean := pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
        OR pg_has_role(
            current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'
        );
    shown text := CASE
        WHEN NEW.source IS NULL THEN 'channel ' || coalesce(NEW.channel, '(none)') ELSE 'table ' || NEW.source::text
    END;
    relation record;
    job record;
    topic_columns text[] := archiver.split_topic(NEW.topic);
    absent record;
    other integer;
    wrong text[];
BEGIN
    SELECT
        class.relkind, class.relpersistence, class.relispartition, space.nspname,
        class.oid < 16384 OR space.nspname ~ '^pg_' OR space.nspname = 'information_schema' AS of_server,
        CASE WHEN class.relispartition THEN pg_partition_root(class.oid)::text END AS whole
    INTO relation
    FROM pg_class AS class
    JOIN pg_namespace AS space ON space.oid = class.relnamespace
    WHERE class.oid = NEW.source;
    SELECT * INTO job FROM archiver.find_function_job(NEW.job_id, NEW.job_name);
    NEW.job_name := coalesce(job.job_name, NEW.job_name, NEW.job_id::text, '');
    NEW.job_id := job.job_id;
    IF NEW.source IS NULL THEN
        NEW.operations := '{INSERT}';
    ELSIF cardinality(coalesce(NEW.key_columns, '{}')) = 0 THEN
        NEW.key_columns := ARRAY(
            SELECT attribute.attname::text
            FROM pg_index AS key
            CROSS JOIN unnest(key.indkey[0:key.indnkeyatts - 1]) WITH ORDINALITY AS part (attnum, place)
            JOIN pg_attribute AS attribute ON attribute.attrelid = key.indrelid AND attribute.attnum = part.attnum
            WHERE key.indrelid = NEW.source AND key.indisprimary
            ORDER BY part.place
        );
    END IF;
    SELECT wanted.setting, wanted.name INTO absent
    FROM (
        SELECT 'key_columns' AS setting, unnest(NEW.key_columns) AS name
        UNION ALL
        SELECT 'topic', unnest(topic_columns)
        UNION ALL
        SELECT 'changed_columns', unnest(NEW.changed_columns)
        UNION ALL
        SELECT 'payload_columns', unnest(NEW.payload_columns)
    ) AS wanted
    WHERE NEW.source IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = NEW.source AND attname = wanted.name AND attnum > 0 AND NOT attisdropped AND attgenerated <> 'v'
    )
    LIMIT 1;
    SELECT binding.binding_id INTO other
    FROM archiver.bindings AS binding
    WHERE
        binding.source = NEW.source AND binding.job_id = NEW.job_id AND binding.removed_at IS NULL
        AND binding.operations && NEW.operations
    LIMIT 1;

    wrong := CASE
        WHEN NEW.source IS NOT NULL AND NEW.channel IS NOT NULL
            THEN ARRAY['channel', 'is set, and source too', 'name a table or a channel']
        WHEN relation.nspname = TG_TABLE_SCHEMA
            THEN ARRAY['source', 'is a table of this program itself', 'watch a table of your own']
        WHEN relation.relpersistence = 't'
            THEN ARRAY['source', 'is a temporary table, which no worker can see', 'watch a permanent one']
        WHEN relation.of_server
            THEN ARRAY['source', 'is a table of the server itself', 'watch a table of your own']
        WHEN relation.relkind IN ('v', 'm')
            THEN ARRAY['source', 'is a view, which has no rows of its own', 'watch the tables that it reads']
        WHEN relation.relkind = 'f'
            THEN ARRAY['source', 'is a foreign table, whose rows change on another server', 'watch the table there']
        WHEN NEW.source IS NOT NULL AND coalesce(relation.relkind NOT IN ('r', 'p'), true)
            THEN ARRAY['source', 'is not a table', 'name a table']
        WHEN relation.relispartition
            THEN ARRAY['source', 'is a partition', 'watch ' || relation.whole || ', of which it is a part']
        WHEN NEW.channel !~ '^/' OR length(NEW.channel) > 200 OR NEW.channel ~ '[[:cntrl:]]'
            THEN ARRAY['channel', 'does not begin with /, has more than 200 characters or control characters',
                'use a name such as /q/orders']
        WHEN job.job_id IS NULL
            THEN ARRAY['job_name', format('is "%s", and database "%s" has no such job', left(NEW.job_name, 200),
                current_database()), 'add the job first, with the action ''function''']
        WHEN job.action <> 'function'
            THEN ARRAY['job_name', format('is "%s", whose action is %s', job.job_name, job.action),
                'name a job whose action is function']
        WHEN job.database_name <> current_database()
            THEN ARRAY['job_name', format('is "%s", a job of database "%s"', job.job_name, left(job.database_name, 200)),
                'name a job of this database']
        WHEN job.source = 'table' AND NOT owners
            AND NOT coalesce(pg_has_role(current_user, to_regrole(quote_ident(job.owner))::oid, 'USAGE'), false)
            THEN ARRAY['job_name', format('is "%s", which belongs to role "%s"', job.job_name, job.owner),
                'name a job of yours, or let its owner or the owner of the database do it']
        WHEN NOT coalesce(
            NEW.operations <@ '{INSERT,UPDATE,DELETE,TRUNCATE}' AND cardinality(NEW.operations) > 0
            AND array_position(NEW.operations, NULL) IS NULL, false
        )
            THEN ARRAY['operations', 'is empty, or holds something else', 'use INSERT, UPDATE, DELETE and TRUNCATE']
        WHEN NEW.changed_columns IS NOT NULL
            AND (cardinality(NEW.changed_columns) = 0 OR NOT 'UPDATE' = ANY (NEW.operations))
            THEN ARRAY['changed_columns', 'is empty, or there is no UPDATE among operations', 'leave it out']
        WHEN NEW.topic IS NULL OR length(NEW.topic) > 1000 OR NEW.topic ~ '[[:cntrl:]]'
            THEN ARRAY['topic', 'is missing, has more than 1,000 characters, or control characters', 'leave it out']
        WHEN topic_columns IS NULL
            THEN ARRAY['topic', 'begins with a dot and is no list of columns', 'write .col, .a.b or ."odd.name"']
        WHEN NEW.topic LIKE '#%'
            THEN ARRAY['topic', 'begins with #, as do those that this program names itself', 'use another name']
        WHEN NEW.source IS NULL AND (
            cardinality(NEW.key_columns) > 0 OR cardinality(NEW.payload_columns) > 0 OR NEW.changed_columns IS NOT NULL
        )
            THEN ARRAY['key_columns', 'or other columns are named, and there is no table', 'leave them out']
        WHEN NEW.source IS NOT NULL AND cardinality(NEW.key_columns) = 0
            THEN ARRAY['key_columns', 'is not given, and the table has no primary key',
                'give key_columns => the columns by which a row is found again']
        WHEN absent.setting IS NOT NULL
            THEN ARRAY[absent.setting, format('names "%s", which is no stored column of the table', absent.name),
                'write names as the catalog has them']
        WHEN cardinality(NEW.key_columns) > 32
            THEN ARRAY['key_columns', 'names more than 32 columns', 'name fewer']
        WHEN other IS NOT NULL
            THEN ARRAY['operations', format('are partly those of binding %s of the same table and job', other),
                format('SELECT archiver.unwatch(%s) first, or give other operations', other)]
    END;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = wrong[1],
            MESSAGE = format('%s of the binding of %s %s. Nothing was saved. Fix: %s', wrong[1], shown, wrong[2], wrong[3]);
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER guard_2_names BEFORE INSERT ON archiver.bindings
FOR EACH ROW EXECUTE FUNCTION archiver.guard_binding_names();

-- What of a binding's other settings is refused.
CREATE OR REPLACE FUNCTION archiver.guard_binding_settings() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown text := CASE
        WHEN NEW.source IS NULL THEN 'channel ' || coalesce(NEW.channel, '(none)') ELSE 'table ' || NEW.source::text
    END;
    wrong text[] := CASE
        WHEN num_nulls(
            NEW.queue, NEW.priority, NEW.payload_columns, NEW.merge, NEW.delay, NEW.max_attempts, NEW.transaction, NEW.log,
            NEW.keep_log, NEW.keep_dead, NEW.enabled
        ) > 0
            THEN ARRAY['one', 'is null', 'leave it out']
        WHEN NEW.merge AND NOT NEW.queue
            THEN ARRAY['merge', 'is true, and queue is false', 'set queue to true']
        WHEN NOT isfinite(NEW.delay) OR NEW.delay NOT BETWEEN interval '0' AND interval '1 year'
            OR least(
                extract(YEAR FROM NEW.delay), extract(MONTH FROM NEW.delay), extract(DAY FROM NEW.delay),
                extract(HOUR FROM NEW.delay), extract(MINUTE FROM NEW.delay), extract(SECOND FROM NEW.delay)
            ) < 0
            THEN ARRAY['delay', 'is negative, or longer than a year', 'use 5 minutes, say']
        WHEN NEW.max_attempts < 1
            THEN ARRAY['max_attempts', 'is below 1', 'use 1 to try once']
        WHEN NEW.transaction NOT IN ('with_event', 'own')
            THEN ARRAY['transaction', 'is unknown', 'use with_event or own']
        WHEN NEW.log NOT IN ('none', 'errors', 'all')
            THEN ARRAY['log', 'is unknown', 'use none, errors or all']
        WHEN NOT isfinite(NEW.keep_log) OR NEW.keep_log NOT BETWEEN interval '0' AND interval '10 years'
            THEN ARRAY['keep_log', 'is not between 0 and 10 years', 'use 7 days, say']
        WHEN NOT isfinite(NEW.keep_dead) OR NEW.keep_dead NOT BETWEEN interval '0' AND interval '10 years'
            THEN ARRAY['keep_dead', 'is not between 0 and 10 years', 'use 30 days, say']
        WHEN NEW.max_waiting < 1
            THEN ARRAY['max_waiting', 'is below 1', 'leave it out for no limit']
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = wrong[1],
            MESSAGE = format('%s of the binding of %s %s. Nothing was saved. Fix: %s', wrong[1], shown, wrong[2], wrong[3]);
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER guard_3_settings BEFORE INSERT OR UPDATE ON archiver.bindings
FOR EACH ROW EXECUTE FUNCTION archiver.guard_binding_settings();

-- A job that was gone and comes back, as one of the policy file may, takes up the bindings that it left; one that
-- somebody else makes under its name does not.
CREATE OR REPLACE FUNCTION archiver.take_up_bindings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE archiver.bindings SET job_id = NEW.job_id
    WHERE
        job_id IS NULL AND job_name = NEW.job_name AND removed_at IS NULL
        AND (NEW.source <> 'table' OR NEW.owner = owner);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER take_up_bindings AFTER INSERT ON archiver.jobs
FOR EACH ROW WHEN (NEW.action = 'function') EXECUTE FUNCTION archiver.take_up_bindings();

-- A job that gets another name gives it to its bindings.
CREATE OR REPLACE FUNCTION archiver.rename_bindings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE archiver.bindings SET job_name = NEW.job_name WHERE job_id = NEW.job_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER rename_bindings AFTER UPDATE OF job_name ON archiver.jobs
FOR EACH ROW WHEN (NEW.job_name IS DISTINCT FROM OLD.job_name) EXECUTE FUNCTION archiver.rename_bindings();

REVOKE ALL ON FUNCTION archiver.split_topic FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.find_function_job FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.guard_binding_rights FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.guard_binding_names FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.guard_binding_settings FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.take_up_bindings FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.rename_bindings FROM PUBLIC
