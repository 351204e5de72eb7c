-- Bytes on disk: the heap itself, its indexes, its TOAST with the index.
SELECT
    pg_relation_size(class.oid) AS heap,
    pg_indexes_size(class.oid) AS indexes,
    coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) AS toast,
    current_setting('block_size')::integer AS block_size
FROM pg_catalog.pg_class AS class
WHERE class.oid = %(oid)s
