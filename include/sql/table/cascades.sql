-- Foreign keys through which a delete here would change or remove rows elsewhere that nobody archived; those that
-- name one of the partitions or children too.
WITH RECURSIVE family AS (
    SELECT %(oid)s::oid AS oid
    UNION
    SELECT inherits.inhrelid
    FROM pg_catalog.pg_inherits AS inherits
    JOIN family ON inherits.inhparent = family.oid
)
SELECT DISTINCT
    conrelid::regclass::text AS child,
    CASE confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END AS action
FROM pg_catalog.pg_constraint
JOIN family ON confrelid = family.oid
WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
ORDER BY 1
