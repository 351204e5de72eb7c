-- The next generations of one table whose objects hold rows that may have left it, the oldest window first, which is the
-- order in which S3 lists them. A ledger of an older version may not have every column, and whoever only looks does not
-- add it.
SELECT
    id, generation, state, cell_start, cell_end, span_start, span_end, bucket, object_key, run_id, rows, csv_bytes,
    object_bytes, sha256, etag, manifest, deleted_upto, deleted_rows, kept_positions, deleted_by_run_id, note,
    line.written ->> 'kept' AS kept, (line.written ->> 'rebuilt_at')::timestamptz AS rebuilt_at,
    line.written ->> 'token' AS token
FROM archiver.windows
CROSS JOIN LATERAL (SELECT to_jsonb(windows) - 'manifest' AS written) AS line
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND state IN ('stored', 'deleted')
    AND (cell_start, cell_end, generation)
    > (%(after_start)s::timestamp, %(after_end)s::timestamp, %(after_generation)s::integer)
ORDER BY cell_start, cell_end, generation
LIMIT %(limit)s
