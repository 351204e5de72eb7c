-- Foreign keys through which a delete here would change or remove rows elsewhere that nobody archived.
SELECT
    conrelid::regclass::text AS child,
    CASE confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END AS action
FROM pg_catalog.pg_constraint
WHERE contype = 'f' AND confrelid = %(oid)s AND confdeltype IN ('c', 'n', 'd')
ORDER BY 1
