-- What a table is a part of, and its own parts: partitions and children, at any depth.
WITH RECURSIVE above AS (
    SELECT inhparent AS oid FROM pg_inherits WHERE inhrelid = %(oid)s
    UNION
    SELECT link.inhparent FROM pg_inherits AS link JOIN above ON link.inhrelid = above.oid
),
below AS (
    SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = %(oid)s
    UNION
    SELECT link.inhrelid FROM pg_inherits AS link JOIN below ON link.inhparent = below.oid
)
SELECT space.nspname AS schema, class.relname AS name, class.oid IN (SELECT oid FROM above) AS is_above
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.oid IN (SELECT oid FROM above UNION ALL SELECT oid FROM below)
ORDER BY is_above DESC, space.nspname, class.relname
