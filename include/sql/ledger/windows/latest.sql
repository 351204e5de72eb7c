-- The newest generation of one window.
SELECT
    id, generation, state, cell_start, cell_end, span_start, span_end, bucket, object_key, run_id, rows, csv_bytes,
    object_bytes, etag, manifest, deleted_upto, deleted_rows, kept_positions, kept::text AS kept, note, rebuilt_at,
    token
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND cell_start = %(cell_start)s AND cell_end = %(cell_end)s
ORDER BY generation DESC
LIMIT 1
