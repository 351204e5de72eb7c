-- Sends for a worker, at most once a second and only if none is at work: whoever is, holds a lock, and looks by itself. A
-- session asks once a second at most. What is set here outlives a rollback or not, and either does no harm: whoever was
-- sent for looks again after a while.
CREATE OR REPLACE FUNCTION archiver.send_for_worker() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at_work bigint := hashtextextended('archiver events at work', 0);
    this_moment bigint := (date_part('epoch', clock_timestamp()) * 1000)::bigint;
    sent_at bigint := this_moment;
BEGIN
    IF current_setting('archiver.next_sending', true) >= this_moment::text THEN
        RETURN;
    END IF;
    -- Taken and given back in one expression, so that no cancelled statement leaves it behind.
    IF (CASE WHEN pg_try_advisory_lock(at_work) THEN pg_advisory_unlock(at_work) END) THEN
        SELECT last_value INTO sent_at FROM archiver.sent_for_workers;
        IF sent_at NOT BETWEEN this_moment - 1000 AND this_moment THEN
            sent_at := this_moment;
            PERFORM setval('archiver.sent_for_workers', sent_at), pg_notify('archiver_events', '')
            FROM archiver.capture
            WHERE coalesce(notify, current_setting('max_prepared_transactions') = '0');
        END IF;
    END IF;
    PERFORM set_config('archiver.next_sending', (sent_at + 1000)::text, false);
END
$$;

-- A column as JSON, in the text of a trigger. It runs with the rights of this program's role, so it calls nothing that a
-- user may have made: the types listed are the server's own, and any other is written by its output function, never by
-- a cast. What has more bytes than `most` is named by its hash, for which a type of a fixed length is not even asked, if
-- the column still has it. `prefix` stands before the column, as NEW. does.
CREATE OR REPLACE FUNCTION archiver.write_column(source regclass, name text, prefix text, most integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        'CASE%4$s WHEN pg_column_size(%1$s) > %3$s'
        ' THEN to_jsonb(''sha256:'' || encode(sha256(convert_to(concat(%1$s), getdatabaseencoding())), ''hex''))'
        ' WHEN pg_typeof(%1$s)::oid = ANY (%2$L::oid[]) THEN to_jsonb(%1$s)'
        ' WHEN num_nulls(%1$s) = 0 THEN to_jsonb(concat(%1$s)) END',
        prefix || quote_ident(name), known.types, most,
        (
            SELECT format(' WHEN pg_typeof(%1$s)::oid = %2$s THEN to_jsonb(%1$s)', prefix || quote_ident(name), atttypid::oid)
            FROM pg_attribute
            WHERE
                attrelid = source AND attname = name AND attnum > 0 AND NOT attisdropped AND attlen > 0
                AND atttypid = ANY (known.types)
        )
    )
    FROM (
        SELECT
            '{bool,int2,int4,int8,float4,float8,numeric,text,varchar,bpchar,uuid,date,timestamp,timestamptz,jsonb,'
            'bool[],int2[],int4[],int8[],float4[],float8[],numeric[],text[],varchar[],uuid[]}'::regtype[]::oid[] AS types
    ) AS known
$$;

-- Columns as an object of JSON, in the text of a trigger; in pieces, since a function takes a hundred arguments.
CREATE OR REPLACE FUNCTION archiver.write_object(source regclass, columns text[], prefix text, most integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg('jsonb_build_object(' || piece.pairs || ')', ' || ' ORDER BY piece.number)
    FROM (
        SELECT
            (part.place - 1) / 40 AS number,
            string_agg(
                format('%L, %s', part.name, archiver.write_column(source, part.name, prefix, most)), ', '
                ORDER BY part.place
            ) AS pairs
        FROM unnest(columns) WITH ORDINALITY AS part (name, place)
        GROUP BY 1
    ) AS piece
$$;

-- What is said of a row, each as the text of an expression: its key; the values of its topic, unless the key has them; its
-- payload, unless that is too large; whether something was too large; and, as text, the columns of which one has to
-- differ. `prefix` stands before each column, as NEW. does.
CREATE OR REPLACE FUNCTION archiver.write_row(
    binding archiver.bindings, prefix text,
    OUT key text, OUT topic text, OUT payload text, OUT truncated text, OUT watched text
)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        archiver.write_object(binding.source, binding.key_columns, prefix, 8192),
        CASE
            WHEN of_topic.columns <@ binding.key_columns THEN 'NULL::jsonb'
            ELSE (
                SELECT 'jsonb_build_array(' || string_agg(
                    archiver.write_column(binding.source, part.name, prefix, 8192), ', ' ORDER BY part.place
                ) || ')'
                FROM unnest(of_topic.columns) WITH ORDINALITY AS part (name, place)
            )
        END,
        CASE
            WHEN cardinality(binding.payload_columns) = 0 THEN 'NULL::jsonb'
            ELSE format(
                'CASE WHEN %s <= 65536 THEN %s END', of_payload.size,
                archiver.write_object(binding.source, binding.payload_columns, prefix, 65536)
            )
        END,
        coalesce(nullif(concat_ws(' OR ', of_key.is_large, of_payload.size || ' > 65536'), ''), 'NULL::boolean'),
        coalesce(changed.columns, 'NULL::text')
    FROM (SELECT archiver.split_topic(binding.topic) AS columns) AS of_topic
    CROSS JOIN (
        SELECT string_agg(format('coalesce(pg_column_size(%s), 0)', prefix || quote_ident(name)), ' + ') AS size
        FROM unnest(binding.payload_columns) AS name
    ) AS of_payload
    CROSS JOIN (
        SELECT string_agg(format('coalesce(pg_column_size(%s) > 8192, false)', prefix || quote_ident(attname)), ' OR ')
            AS is_large
        FROM pg_attribute
        WHERE
            attrelid = binding.source AND attname = ANY (binding.key_columns) AND attnum > 0 AND NOT attisdropped
            AND attlen < 0
    ) AS of_key
    CROSS JOIN (
        SELECT CASE WHEN count(*) > 0 THEN format(
            'CASE WHEN coalesce(greatest(%s), 0) <= 100000 THEN ROW(%s)::text END',
            string_agg(format('pg_column_size(%s)', prefix || quote_ident(name)), ', '),
            string_agg(prefix || quote_ident(name), ', ')
        ) END AS columns
        FROM unnest(binding.changed_columns) AS name
    ) AS changed
$$;

-- The same for each row of what stands in FROM. A column that is gone is found among the nulls that bear its name.
CREATE OR REPLACE FUNCTION archiver.write_rows(binding archiver.bindings, relation text, more text DEFAULT '') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        'SELECT one.* FROM (SELECT %s) AS missing, LATERAL (SELECT %s%s AS key, %s AS topic, %s AS payload, %s AS truncated,'
        ' %s AS watched FROM %s) AS one',
        (
            SELECT string_agg(DISTINCT format('NULL::text AS %I', name), ', ')
            FROM unnest(
                binding.key_columns || archiver.split_topic(binding.topic) || binding.payload_columns
                || binding.changed_columns
            ) AS name
        ),
        more, said.key, said.topic, said.payload, said.truncated, said.watched, relation
    )
    FROM archiver.write_row(binding, '') AS said
$$;

-- The trigger's text for a table: once a statement, over all its rows. The rows before and after an UPDATE are in the same
-- order, and are put side by side by their numbers.
CREATE OR REPLACE FUNCTION archiver.write_statement_capture(binding archiver.bindings) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(
        format(
            $text$
    IF TG_OP = %1$L THEN
        INSERT INTO archiver.incoming_events (binding_id, operation, key, old_key, topic, payload, truncated)
        SELECT
            %2$s, %3$L, noted.key, %4$s, noted.topic,
            CASE WHEN pg_column_size(noted.payload) <= 65536 THEN noted.payload END,
            CASE WHEN noted.truncated OR pg_column_size(noted.payload) > 65536 THEN true END
        FROM (%5$s) AS noted
        WHERE
            coalesce((SELECT enabled FROM archiver.capture), true)
            AND (
                SELECT enabled AND suspended_at IS NULL AND removed_at IS NULL
                FROM archiver.bindings WHERE binding_id = %2$s
            )%6$s;
    END IF;$text$,
            operation,
            binding.binding_id,
            left(operation, 1),
            CASE operation
                WHEN 'UPDATE' THEN 'CASE WHEN noted.old_key IS DISTINCT FROM noted.key THEN noted.old_key END'
                ELSE 'NULL'
            END,
            CASE operation
                WHEN 'TRUNCATE' THEN
                    'SELECT ''{}''::jsonb AS key, NULL::jsonb AS topic, NULL::jsonb AS payload, NULL::boolean AS truncated'
                WHEN 'UPDATE' THEN format(
                    'SELECT key, topic, payload, truncated, watched, is_new, lag(key) OVER pair AS old_key,'
                    ' lag(watched) OVER pair AS old_watched FROM (%s UNION ALL %s) AS sides'
                    ' WINDOW pair AS (ORDER BY number, is_new)',
                    archiver.write_rows(binding, 'old_rows', 'row_number() OVER () AS number, false AS is_new, '),
                    archiver.write_rows(binding, 'new_rows', 'row_number() OVER () AS number, true AS is_new, ')
                )
                ELSE
                    archiver.write_rows(binding, CASE operation WHEN 'DELETE' THEN 'old_rows' ELSE 'new_rows' END)
                    -- So that a payload is made once, and not each time that it is looked at.
                    || CASE WHEN cardinality(binding.payload_columns) > 0 THEN ' OFFSET 0' ELSE '' END
            END,
            CASE WHEN operation = 'UPDATE' THEN ' AND noted.is_new' || CASE
                WHEN binding.changed_columns IS NULL THEN ''
                ELSE ' AND (noted.watched IS DISTINCT FROM noted.old_watched OR noted.watched IS NULL)'
            END ELSE '' END
        ), '' ORDER BY operation
    ) || $text$
    IF coalesce(
        current_setting('archiver.next_sending', true) < (date_part('epoch', clock_timestamp()) * 1000)::bigint::text, true
    ) THEN
        PERFORM archiver.send_for_worker();
    END IF;$text$
    FROM unnest(binding.operations) AS operation
$$;

-- What is said of a row beside its key, in the text of a trigger: only what there is, for it is done once a row.
CREATE OR REPLACE FUNCTION archiver.write_assignments(topic text, payload text, truncated text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(string_agg(format(E'\n            %s := %s;', said.name, said.expression), ''), '')
    FROM (
        VALUES ('noted_topic', topic), ('noted_payload', payload), ('noted_truncated', truncated)
    ) AS said (name, expression)
    WHERE said.expression !~ '^NULL::[a-z]+$'
$$;

-- The trigger's text for a partitioned table: once a row, since only such triggers come to each partition by themselves.
-- The switches are looked at, and a worker is sent for, once in a transaction. A column that is gone, or has another type
-- than when this session first came here, is an error of a field: then a statement that is made anew reads the row.
CREATE OR REPLACE FUNCTION archiver.write_row_capture(binding archiver.bindings) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(
        $text$
    IF current_setting('archiver.captures_%1$s', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        IF
            NOT coalesce((SELECT enabled FROM archiver.capture), true)
            OR NOT coalesce(
                (
                    SELECT enabled AND suspended_at IS NULL AND removed_at IS NULL
                    FROM archiver.bindings WHERE binding_id = %1$s
                ), false
            )
        THEN
            RETURN NULL;
        END IF;
        PERFORM set_config('archiver.captures_%1$s', pg_current_xact_id()::text, true), archiver.send_for_worker();
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO archiver.incoming_events (binding_id, operation, key) VALUES (%1$s, 'T', '{}');
        RETURN NULL;
    END IF;
    BEGIN
        IF TG_OP = 'DELETE' THEN
            noted_key := %2$s;%3$s
        ELSE
            noted_key := %5$s;%6$s
        END IF;
        IF TG_OP = 'UPDATE' THEN
            old_key := %2$s;
            is_same := %4$s = %7$s;
        END IF;
    EXCEPTION WHEN undefined_column OR datatype_mismatch THEN
        EXECUTE %8$L INTO noted_key, noted_topic, noted_payload, noted_truncated, new_watched
        USING CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        IF TG_OP = 'UPDATE' THEN
            EXECUTE %8$L INTO old_key, old_topic, old_payload, old_truncated, old_watched USING OLD;
            is_same := old_watched = new_watched;
        END IF;
    END;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO archiver.incoming_events (binding_id, operation, key%9$s) VALUES (%1$s, 'I', noted_key%10$s);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO archiver.incoming_events (binding_id, operation, key%9$s) VALUES (%1$s, 'D', noted_key%10$s);
    ELSIF is_same IS NOT TRUE THEN
        INSERT INTO archiver.incoming_events (binding_id, operation, key, old_key%9$s)
        VALUES (%1$s, 'U', noted_key, CASE WHEN old_key IS DISTINCT FROM noted_key THEN old_key END%10$s);
    END IF;$text$,
        binding.binding_id,
        old.key, archiver.write_assignments(old.topic, old.payload, old.truncated), old.watched,
        new.key, archiver.write_assignments(new.topic, new.payload, new.truncated), new.watched,
        archiver.write_rows(binding, '(SELECT ($1).*) AS changed'),
        CASE WHEN archiver.write_assignments(new.topic, new.payload, new.truncated) <> '' THEN ', topic, payload, truncated'
        ELSE '' END,
        CASE WHEN archiver.write_assignments(new.topic, new.payload, new.truncated) <> '' THEN
            ', noted_topic, CASE WHEN pg_column_size(noted_payload) <= 65536 THEN noted_payload END,'
            ' CASE WHEN noted_truncated OR pg_column_size(noted_payload) > 65536 THEN true END'
        ELSE '' END
    )
    FROM archiver.write_row(binding, 'OLD.') AS old, archiver.write_row(binding, 'NEW.') AS new
$$;

REVOKE ALL ON FUNCTION archiver.send_for_worker FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.write_column FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.write_object FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.write_row FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.write_rows FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.write_assignments FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.write_statement_capture FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.write_row_capture FROM PUBLIC
