-- How many pages the rows need, by the statistics of the last ANALYZE: 24 bytes of header, the columns, 4 bytes of
-- line pointer, and as many rows a page as the fillfactor lets in. Null where there are no statistics to see.
SELECT
    CASE
        WHEN class.reltuples < 0 OR width.bytes IS NULL THEN NULL
        ELSE ceil(class.reltuples / greatest(1, floor(page.bytes / (28 + 8 * ceil(width.bytes / 8)))))
    END::bigint AS pages
FROM pg_catalog.pg_class AS class
CROSS JOIN LATERAL (
    SELECT
        (current_setting('block_size')::integer - 24) * coalesce((
            SELECT option.option_value::integer FROM pg_options_to_table(class.reloptions) AS option
            WHERE option.option_name = 'fillfactor'
        ), 100) / 100.0 AS bytes
) AS page
CROSS JOIN LATERAL (
    SELECT sum(stats.avg_width * (1 - stats.null_frac)) AS bytes
    FROM pg_catalog.pg_stats AS stats
    JOIN pg_catalog.pg_namespace AS space ON space.nspname = stats.schemaname
    WHERE space.oid = class.relnamespace AND stats.tablename = class.relname AND NOT stats.inherited
) AS width
WHERE class.oid = %(oid)s
