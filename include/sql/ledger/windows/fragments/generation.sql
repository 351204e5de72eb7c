-- The columns of a generation. A ledger of an older version may not have the last ones, and whoever only looks does not
-- add them: so they are taken out of `line`, the row as a document.
windows.id, windows.generation, windows.state, windows.cell_start, windows.cell_end, windows.span_start,
    windows.span_end, windows.bucket, windows.object_key, windows.run_id, windows.rows, windows.csv_bytes,
    windows.object_bytes, windows.sha256, windows.etag, windows.manifest, windows.deleted_upto, windows.deleted_rows,
    windows.kept_positions, windows.deleted_by_run_id, windows.note, line.written ->> 'kept' AS kept,
    line.written ->> 'sub_ranges_gone' AS sub_ranges_gone,
    (line.written ->> 'rebuilt_at')::timestamptz AS rebuilt_at, line.written ->> 'token' AS token
