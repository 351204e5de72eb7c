-- Whatever a batch relies on, as one text: the table that has the name now, its parts, and all that a delete would set off.
-- A foreign key that points to a table has triggers on it.
state AS (
    SELECT
        pg_catalog.concat_ws(
            ' ',
            (
                SELECT class.oid
                FROM pg_catalog.pg_class AS class
                JOIN pg_catalog.pg_namespace AS space ON space.oid OPERATOR(pg_catalog.=) class.relnamespace
                WHERE
                    space.nspname OPERATOR(pg_catalog.=) %(schema)s AND class.relname OPERATOR(pg_catalog.=) %(name)s
            ),
            'column',
            (
                SELECT pg_catalog.concat_ws(' ', attribute.attnum, attribute.atttypid)
                FROM pg_catalog.pg_attribute AS attribute
                WHERE
                    attribute.attrelid OPERATOR(pg_catalog.=) %(oid)s
                    AND attribute.attname OPERATOR(pg_catalog.=) %(column)s
            ),
            pg_catalog.row_security_active(%(oid)s::pg_catalog.oid),
            'parts',
            (SELECT pg_catalog.array_agg(family.oid ORDER BY family.oid)::pg_catalog.text FROM family),
            'rules',
            (
                SELECT pg_catalog.array_agg(rule.oid ORDER BY rule.oid)::pg_catalog.text
                FROM pg_catalog.pg_rewrite AS rule
                JOIN family ON family.oid OPERATOR(pg_catalog.=) rule.ev_class
                WHERE rule.ev_enabled OPERATOR(pg_catalog.<>) 'D'
            ),
            'triggers',
            (
                SELECT pg_catalog.array_agg(trigger.oid ORDER BY trigger.oid)::pg_catalog.text
                FROM pg_catalog.pg_trigger AS trigger
                JOIN family ON family.oid OPERATOR(pg_catalog.=) trigger.tgrelid
                WHERE trigger.tgenabled IN ('O', 'A')
            )
        ) AS digest
)
