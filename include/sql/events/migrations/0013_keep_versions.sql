-- What binds a table to a job that keeps the last versions of its keys: the table that the job names, and its keys. To whoever
-- binds tables to it, and so without any other of its settings. It reads the jobs as their owner.
CREATE OR REPLACE FUNCTION archiver.find_versions_job(wanted_id integer, OUT table_name text, OUT key_columns text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        job.config ->> 'table',
        ARRAY(
            SELECT key.name
            FROM jsonb_array_elements_text(
                CASE WHEN jsonb_typeof(job.config -> 'key_columns') = 'array' THEN job.config -> 'key_columns' ELSE '[]' END
            ) WITH ORDINALITY AS key (name, place)
            ORDER BY key.place
        )
    FROM archiver.jobs AS job
    WHERE job.job_id = wanted_id AND job.action = 'delete'
$$;

-- Whether a job that names a table so means this one.
CREATE OR REPLACE FUNCTION archiver.is_table_of(source regclass, named text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT named IN (
        space.nspname || '.' || class.relname,
        format('%I.%I', space.nspname, class.relname),
        format('"%s"."%s"', replace(space.nspname, '"', '""'), replace(class.relname, '"', '""'))
    )
    FROM pg_class AS class
    JOIN pg_namespace AS space ON space.oid = class.relnamespace
    WHERE class.oid = source
$$;

REVOKE ALL ON FUNCTION archiver.find_versions_job FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.is_table_of FROM PUBLIC;

-- Whoever may bind tables to jobs may after the upgrade too.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT acl.grantee::regrole::text AS role
        FROM pg_catalog.pg_proc AS proc, pg_catalog.aclexplode(proc.proacl) AS acl
        WHERE
            proc.pronamespace = 'archiver'::regnamespace AND proc.proname = 'find_function_job'
            AND acl.privilege_type = 'EXECUTE' AND acl.grantee NOT IN (0, proc.proowner)
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION archiver.find_versions_job TO %s', granted.role);
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION archiver.is_table_of TO %s', granted.role);
    END LOOP;
END
$$;

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
    versions record;
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
    SELECT * INTO versions FROM archiver.find_versions_job(NEW.job_id);
    IF job.action = 'delete' THEN
        -- Events of one key become one, whoever works on them; their order means nothing.
        NEW.queue := true;
        IF cardinality(coalesce(NEW.key_columns, '{}')) = 0 THEN
            NEW.key_columns := coalesce(versions.key_columns, '{}');
        END IF;
        IF NEW.topic = '' THEN
            NEW.topic := coalesce(
                (
                    SELECT string_agg('."' || replace(part.name, '"', '""') || '"', '' ORDER BY part.place)
                    FROM unnest(NEW.key_columns) WITH ORDINALITY AS part (name, place)
                ),
                ''
            );
            topic_columns := archiver.split_topic(NEW.topic);
        END IF;
    END IF;
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
        WHEN job.action NOT IN ('function', 'delete')
            THEN ARRAY['job_name', format('is "%s", whose action is %s', job.job_name, job.action),
                'name a job whose action is function']
        WHEN job.action = 'delete' AND coalesce(cardinality(versions.key_columns) = 0, true)
            THEN ARRAY['job_name', format('is "%s", which deletes by age alone', job.job_name),
                'name a job that keeps versions of keys, or one whose action is function']
        WHEN job.action = 'delete' AND archiver.is_table_of(NEW.source, versions.table_name) IS NOT TRUE
            THEN ARRAY['source', format('is not the table of job "%s"', job.job_name), 'watch the table that the job names']
        WHEN job.action = 'delete' AND NOT (
            NEW.key_columns @> versions.key_columns AND NEW.key_columns <@ versions.key_columns
        )
            THEN ARRAY['key_columns', format('are not those of job "%s"', job.job_name), 'leave them out']
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

-- The bindings whose events may run, if they are in turn: their jobs are neither paused nor refused, nor wait for a person. A
-- job that deletes was rehearsed as it is defined, too; its events are for the function that comes with this program.
CREATE OR REPLACE VIEW archiver.runnable_bindings AS
SELECT
    binding.binding_id,
    CASE job.action WHEN 'delete' THEN 'archiver.keep_versions' ELSE job.function_name END AS function_name
FROM archiver.bindings AS binding
JOIN archiver.jobs AS job USING (job_id)
WHERE
    binding.enabled AND job.scheduled
    AND CASE job.action
        WHEN 'function' THEN NOT EXISTS (
            SELECT FROM archiver.job_state AS state
            WHERE state.job_id = job.job_id AND state.state IN ('refused', 'waiting')
        )
        WHEN 'delete' THEN binding.source IS NOT NULL AND EXISTS (
            SELECT FROM archiver.job_state AS state
            WHERE
                state.job_id = job.job_id AND state.database_name = current_database()
                AND state.state IN ('idle', 'queued', 'running') AND state.rehearsed_definition = state.definition
        )
        ELSE false
    END;

-- A job that was gone and comes back takes up the bindings that it left, also one that keeps versions.
CREATE OR REPLACE TRIGGER take_up_bindings AFTER INSERT ON archiver.jobs
FOR EACH ROW WHEN (NEW.action IN ('function', 'delete')) EXECUTE FUNCTION archiver.take_up_bindings()
