-- Columns in their order; format_type qualifies names of types that are not on the search path.
SELECT
    attnum AS number,
    attname AS name,
    format_type(atttypid, atttypmod) AS type,
    atttypid::regtype::text AS base_type,
    attgenerated <> '' AS is_generated,
    attidentity = 'a' AS is_always_identity
FROM pg_catalog.pg_attribute
WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
