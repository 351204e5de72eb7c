-- What a REINDEX CONCURRENTLY that was broken off leaves: invalid indexes under these names, which cost every write.
-- One that is in progress is left alone.
SELECT space.nspname AS schema, class.relname AS name
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE
    index.indrelid = %(oid)s AND NOT index.indisvalid AND class.relname ~ '_cc(new|old)[0-9]*$'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_stat_progress_create_index AS progress WHERE progress.relid = index.indrelid
    )
ORDER BY class.relname
