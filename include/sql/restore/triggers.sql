-- User-defined triggers that will fire for rows or statements, of the table, its partitions and children. Bit 4 is
-- INSERT, bit 16 UPDATE.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT
    trigger.tgname AS name,
    string_agg(family.oid::regclass::text, ', ' ORDER BY family.oid) AS tables,
    bool_or(trigger.tgtype & 4 <> 0) AS on_insert,
    bool_or(trigger.tgtype & 16 <> 0) AS on_update
FROM family
JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = family.oid
WHERE
    NOT trigger.tgisinternal AND trigger.tgenabled NOT IN ('D', 'R') AND trigger.tgtype & 20 <> 0
    AND {postgres/catalog/fragments/notes_no_events}
GROUP BY trigger.tgname
ORDER BY trigger.tgname
