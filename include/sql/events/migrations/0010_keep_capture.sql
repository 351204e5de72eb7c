-- Writes, or writes anew, the function by which the triggers of a binding note what changed: with this program's rights, so
-- that nobody who writes to the table needs any, and with the columns in its text, so that they are read as fast as can
-- be. Settings by which values are written in several ways are its own, where one is read that they are for. The table's
-- owner may make triggers of it, and nobody else.
CREATE OR REPLACE FUNCTION archiver.write_capture(wanted_id integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    binding archiver.bindings;
    relation record;
    settings text;
BEGIN
    SELECT * INTO binding FROM archiver.bindings WHERE binding_id = wanted_id FOR SHARE;
    SELECT class.relkind, pg_get_userbyid(class.relowner) AS owner INTO relation
    FROM pg_class AS class WHERE class.oid = binding.source;
    IF relation IS NULL THEN
        RETURN;
    END IF;
    SELECT
        CASE
            WHEN bool_or(
                atttypid <> ALL (
                    '{bool,int2,int4,int8,numeric,text,varchar,bpchar,uuid,date,timestamp,timestamptz}'::regtype[]::oid[]
                )
            ) THEN
                ' SET TimeZone = ''UTC'' SET DateStyle = ''ISO, YMD'' SET IntervalStyle = ''postgres'''
                ' SET bytea_output = ''hex'' SET extra_float_digits = 1 SET lc_monetary = ''C'''
            WHEN bool_or(atttypid = 'timestamptz'::regtype) THEN ' SET TimeZone = ''UTC'''
            ELSE ''
        END
    INTO settings
    FROM pg_attribute
    WHERE
        attrelid = binding.source AND attnum > 0 AND NOT attisdropped
        AND attname = ANY (
            binding.key_columns || archiver.split_topic(binding.topic) || binding.payload_columns
            || binding.changed_columns
        );
    EXECUTE format(
        $text$
CREATE OR REPLACE FUNCTION archiver.%I() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp%s
AS %L
        $text$,
        'capture_' || binding.binding_id,
        settings,
        format(
            $text$
#variable_conflict use_column
DECLARE
    noted_key jsonb; noted_topic jsonb; noted_payload jsonb; noted_truncated boolean; new_watched text;
    old_key jsonb; old_topic jsonb; old_payload jsonb; old_truncated boolean; old_watched text; is_same boolean;
BEGIN
    IF current_setting('archiver.events', true) IN ('off', 'false', 'no', '0') THEN
        RETURN NULL;
    END IF;%s
    RETURN NULL;
END
            $text$,
            CASE relation.relkind
                WHEN 'p' THEN archiver.write_row_capture(binding) ELSE archiver.write_statement_capture(binding)
            END
        )
    );
    EXECUTE format('REVOKE ALL ON FUNCTION archiver.%I FROM PUBLIC', 'capture_' || binding.binding_id);
    EXECUTE format('GRANT EXECUTE ON FUNCTION archiver.%I TO %I', 'capture_' || binding.binding_id, relation.owner);
END
$$;

-- A binding's function is there with it, and goes with it, unless a trigger still needs it, which then notes nothing. The
-- events of a binding that is deleted go too.
CREATE OR REPLACE FUNCTION archiver.keep_capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    written regprocedure;
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM archiver.write_capture(NEW.binding_id);
        RETURN NULL;
    END IF;
    written := to_regprocedure(format('archiver.%I()', 'capture_' || OLD.binding_id));
    IF written IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = written) THEN
        EXECUTE format('DROP FUNCTION %s', written);
    END IF;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM archiver.incoming_events WHERE binding_id = OLD.binding_id;
        DELETE FROM archiver.blocked_topics
        WHERE event_id IN (SELECT id FROM archiver.events WHERE binding_id = OLD.binding_id);
        DELETE FROM archiver.events WHERE binding_id = OLD.binding_id;
        DELETE FROM archiver.dead_events WHERE binding_id = OLD.binding_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER keep_capture AFTER INSERT OR DELETE ON archiver.bindings
FOR EACH ROW EXECUTE FUNCTION archiver.keep_capture();

CREATE OR REPLACE TRIGGER keep_capture_of_removed AFTER UPDATE OF removed_at ON archiver.bindings
FOR EACH ROW WHEN (NEW.removed_at IS NOT NULL) EXECUTE FUNCTION archiver.keep_capture();

REVOKE ALL ON FUNCTION archiver.write_capture FROM PUBLIC;

REVOKE ALL ON FUNCTION archiver.keep_capture FROM PUBLIC
