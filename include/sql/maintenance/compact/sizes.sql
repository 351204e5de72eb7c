-- Bytes on disk: the heap with its maps of free space and visibility, its indexes, its TOAST with the index; and the
-- heap's rows alone.
SELECT
    pg_table_size(class.oid) - coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) AS heap,
    pg_relation_size(class.oid) AS main,
    pg_indexes_size(class.oid) AS indexes,
    coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) AS toast,
    current_setting('block_size')::integer AS block_size
FROM pg_catalog.pg_class AS class
WHERE class.oid = %(oid)s
