-- Of these columns of a table: which there are, of what type, and whether each may be NULL.
SELECT
    attribute.attname AS name,
    format_type(attribute.atttypid, attribute.atttypmod) AS type,
    attribute.atttypid::regtype::text AS base_type,
    NOT attribute.attnotnull AS may_be_null
FROM pg_catalog.pg_attribute AS attribute
WHERE attribute.attrelid = %(oid)s AND attribute.attname = ANY (%(names)s) AND NOT attribute.attisdropped AND attribute.attnum > 0
