-- Partitions and children that lie on another server, where a row's version cannot be seen.
WITH RECURSIVE family AS (
    SELECT %(oid)s::oid AS oid
    UNION
    SELECT inherits.inhrelid
    FROM pg_catalog.pg_inherits AS inherits
    JOIN family ON inherits.inhparent = family.oid
)
SELECT class.oid::regclass::text AS name
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
WHERE class.relkind = 'f'
ORDER BY 1
