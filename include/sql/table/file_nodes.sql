-- Which file holds the table, and each of its partitions and children, right now. A rewrite gives a new file.
WITH RECURSIVE family AS (
    SELECT %(oid)s::oid AS oid
    UNION
    SELECT inherits.inhrelid
    FROM pg_catalog.pg_inherits AS inherits
    JOIN family ON inherits.inhparent = family.oid
)
SELECT family.oid::text AS oid, pg_relation_filenode(family.oid)::bigint AS file_node
FROM family
WHERE pg_relation_filenode(family.oid) IS NOT NULL
