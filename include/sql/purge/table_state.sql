-- Whatever a batch relies on, in one look: the table that has the name now, its parts, and all that a delete would set off.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT
    (
        SELECT class.oid
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        WHERE space.nspname = %(schema)s AND class.relname = %(name)s
    ) AS oid,
    (
        SELECT attribute.atttypid
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = %(oid)s AND attribute.attname = %(column)s AND NOT attribute.attisdropped
    ) AS type,
    row_security_active(%(oid)s::oid) AS hides_rows,
    (SELECT array_agg(family.oid ORDER BY family.oid) FROM family) AS parts,
    (
        SELECT array_agg(key.oid ORDER BY key.oid)
        FROM pg_catalog.pg_constraint AS key
        JOIN family ON family.oid = key.confrelid
        WHERE key.contype = 'f'
    ) AS keys,
    (
        SELECT array_agg(rule.oid ORDER BY rule.oid)
        FROM pg_catalog.pg_rewrite AS rule
        JOIN family ON family.oid = rule.ev_class
        WHERE rule.ev_type = '4' AND rule.ev_enabled <> 'D'
    ) AS rules,
    (
        SELECT array_agg(trigger.oid ORDER BY trigger.oid)
        FROM pg_catalog.pg_trigger AS trigger
        JOIN family ON family.oid = trigger.tgrelid
        WHERE trigger.tgenabled IN ('O', 'A') AND trigger.tgtype & 8 <> 0
    ) AS triggers
