-- All generations of the windows that a run had in hand, for its report.
SELECT
    id, generation, state, cell_start, cell_end, span_start, span_end, bucket, object_key, run_id, rows, csv_bytes,
    object_bytes, etag, manifest, deleted_upto, deleted_rows, kept_positions, note, rebuilt_at
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND cell_start >= %(start)s AND cell_end <= %(end)s
    AND (run_id = %(run_id)s OR deleted_by_run_id = %(run_id)s OR state IN ('planned', 'exported', 'stored'))
ORDER BY cell_start, generation
