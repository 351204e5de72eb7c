-- A table, its partitions and children at any depth.
family AS (
    SELECT %(oid)s::pg_catalog.oid AS oid
    UNION
    SELECT inherits.inhrelid
    FROM pg_catalog.pg_inherits AS inherits
    JOIN family ON inherits.inhparent OPERATOR(pg_catalog.=) family.oid
)
