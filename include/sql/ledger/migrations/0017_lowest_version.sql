-- The lowest version of the ledger that a program must know to write here. A session says its own in the setting
-- archiver.ledger_version. Programs from before this setting are refused by the triggers, in whatever transaction: the
-- rows of a delete batch come back with it. What a person writes by hand as the documentation says needs no setting:
-- a window's state set to 'void' and nothing else, and the end of a hold.
CREATE TABLE archiver.lowest_version (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version integer NOT NULL
);

INSERT INTO archiver.lowest_version (version) VALUES (2);

-- Its name is what an older program tells its operator. It reads the table as the ledger's owner, so that nobody who
-- may write needs another right. The lowest version stands alone in the DETAIL; where there is none, nobody may write.
CREATE FUNCTION archiver.refuse_programs_older_than_this_ledger() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    written_by text := pg_catalog.current_setting('archiver.ledger_version', true);
    lowest integer;
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'windows' THEN
        IF NEW.state = 'void' AND pg_catalog.to_jsonb(NEW) - 'state' = pg_catalog.to_jsonb(OLD) - 'state' THEN
            RETURN NEW;
        END IF;
    END IF;
    SELECT one.version INTO lowest FROM archiver.lowest_version AS one;
    IF lowest IS NOT NULL AND written_by ~ '^[0-9]{1,9}$' AND written_by::pg_catalog.int4 >= lowest THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'AR001',
        MESSAGE = 'this ledger may be written only by a later version of the archiver; update this worker',
        DETAIL = coalesce(lowest::text, 'unknown');
END
$$;

CREATE TRIGGER refuse_older_programs BEFORE INSERT OR UPDATE ON archiver.windows
FOR EACH ROW EXECUTE FUNCTION archiver.refuse_programs_older_than_this_ledger();

CREATE TRIGGER refuse_older_programs BEFORE INSERT OR UPDATE ON archiver.partitions
FOR EACH ROW EXECUTE FUNCTION archiver.refuse_programs_older_than_this_ledger();

CREATE TRIGGER refuse_older_programs BEFORE INSERT ON archiver.restores
FOR EACH ROW EXECUTE FUNCTION archiver.refuse_programs_older_than_this_ledger()
