-- Whether a trigger is not one by which this program notes changes of a watched table: those do nothing in its sessions.
NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_proc AS noting
    WHERE
        noting.oid = trigger.tgfoid AND noting.pronamespace = to_regnamespace('archiver')
        AND noting.proname ~ '^capture_[0-9]+$'
)
