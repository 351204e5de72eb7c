-- What the ledger knows of one object, which may be that another one was meant to take its key. A ledger of an older
-- version may not have every column, and whoever only looks does not add it.
SELECT
    id, generation, state, cell_start, cell_end, span_start, span_end, bucket, object_key, run_id, rows, csv_bytes,
    object_bytes, sha256, etag, manifest, deleted_upto, deleted_rows, kept_positions, deleted_by_run_id, note,
    line.written ->> 'kept' AS kept, (line.written ->> 'rebuilt_at')::timestamptz AS rebuilt_at,
    line.written ->> 'token' AS token
FROM archiver.windows
CROSS JOIN LATERAL (SELECT to_jsonb(windows) AS written) AS line
WHERE bucket = %(bucket)s AND object_key = %(object_key)s
