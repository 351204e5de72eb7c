-- What pg_repack made for this table, and removes itself at its end.
SELECT
    class.relname::text AS name,
    CASE class.relkind WHEN 'c' THEN 'type' ELSE 'table' END AS kind
FROM pg_catalog.pg_class AS class
WHERE
    class.relnamespace = to_regnamespace('repack')::oid
    AND class.relname IN ('log_' || %(oid)s::oid, 'table_' || %(oid)s::oid, 'pk_' || %(oid)s::oid)
UNION ALL
SELECT
    trigger.tgname,
    'trigger'
FROM pg_catalog.pg_trigger AS trigger
JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
WHERE
    trigger.tgrelid = %(oid)s
    AND trigger.tgname = 'repack_trigger'
    AND function.proname = 'repack_trigger'
    AND function.pronamespace = to_regnamespace('repack')::oid
ORDER BY 1
