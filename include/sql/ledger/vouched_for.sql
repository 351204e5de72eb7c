-- The next generations of one table whose objects hold rows that may have left it. A ledger of an older version may not
-- have every column, and whoever only looks does not add it.
SELECT
    id, generation, state, cell_start, cell_end, span_start, span_end, bucket, object_key, run_id, rows, csv_bytes,
    object_bytes, sha256, etag, manifest, deleted_upto, deleted_rows, kept_positions, deleted_by_run_id, note,
    (to_jsonb(windows) ->> 'rebuilt_at')::timestamptz AS rebuilt_at
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND state IN ('stored', 'deleted') AND id > %(after)s
ORDER BY id
LIMIT %(limit)s
