-- User-defined triggers (not those of foreign keys) that will fire for each row deleted, or for the statement: of the table
-- itself, and the row triggers of its partitions and children. Of bits, 1 is a row's, 8 is DELETE. In an ordinary
-- session those that are enabled for replicas alone do not fire.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT
    trigger.tgname AS name,
    bool_or(trigger.tgrelid = %(oid)s) AS own,
    count(*) AS tables,
    min(trigger.tgrelid::regclass::text) AS first
FROM pg_catalog.pg_trigger AS trigger
JOIN family ON family.oid = trigger.tgrelid
WHERE
    trigger.tgenabled IN ('O', 'A') AND trigger.tgtype & 8 <> 0
    AND (trigger.tgrelid = %(oid)s OR trigger.tgtype & 1 <> 0)
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS key_ WHERE key_.oid = trigger.tgconstraint AND key_.contype = 'f'
    )
    AND {postgres/catalog/fragments/notes_no_events}
GROUP BY trigger.tgname
ORDER BY trigger.tgname
