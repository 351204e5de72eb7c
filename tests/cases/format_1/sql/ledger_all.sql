-- Every generation of every window of one table.
SELECT
    id, generation, state, cell_start, cell_end, span_start, span_end, bucket, object_key, run_id, rows, csv_bytes,
    object_bytes, etag, manifest, deleted_upto, deleted_rows, kept_positions, note, NULL::timestamptz AS rebuilt_at
FROM archiver.windows
WHERE client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
ORDER BY cell_start, generation
