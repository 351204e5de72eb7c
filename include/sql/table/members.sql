-- The table itself, and each of its partitions and children: which file holds it right now, and a text that stands for
-- its columns by number, name and type. A rewrite gives a new file; a column that was dropped and added again, another
-- number.
WITH RECURSIVE family AS (
    SELECT %(oid)s::oid AS oid
    UNION
    SELECT inherits.inhrelid
    FROM pg_catalog.pg_inherits AS inherits
    JOIN family ON inherits.inhparent = family.oid
)
SELECT
    family.oid::text AS oid,
    space.nspname AS schema,
    class.relname AS name,
    pg_relation_filenode(family.oid)::bigint AS file_node,
    (
        SELECT md5(string_agg(format('%%s %%s %%s %%s', attnum, attname, atttypid, atttypmod), E'\n' ORDER BY attnum))
        FROM pg_catalog.pg_attribute
        WHERE attrelid = family.oid AND attnum > 0 AND NOT attisdropped
    ) AS columns
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE pg_relation_filenode(family.oid) IS NOT NULL
