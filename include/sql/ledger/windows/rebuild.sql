-- A generation that only its manifest tells of. A row that took its number without writing an object makes room, also
-- one whose object would have had another compression, and so another key; one that wrote it has the manifest's token,
-- and knows of it at first hand.
INSERT INTO archiver.windows (
    client, table_schema, table_name, cell_start, cell_end, generation, span_start, span_end, state, bucket,
    object_key, rows, csv_bytes, object_bytes, sha256, manifest, deleted_upto, deleted_rows, kept_positions, kept,
    run_id, note, rebuilt_at
)
VALUES (
    %(client)s, %(schema)s, %(table)s, %(cell_start)s, %(cell_end)s, %(generation)s, %(span_start)s, %(span_end)s,
    %(state)s, %(bucket)s, %(object_key)s, %(rows)s, %(csv_bytes)s, %(object_bytes)s, %(sha256)s, %(manifest)s,
    %(upto)s, %(upto)s - %(kept_rows)s::bigint, %(kept_positions)s::bigint[], %(kept)s::int8multirange, %(run_id)s,
    %(note)s, clock_timestamp()
)
ON CONFLICT (client, table_schema, table_name, cell_start, cell_end, generation) DO UPDATE
SET
    state = excluded.state, bucket = excluded.bucket, object_key = excluded.object_key,
    span_start = excluded.span_start, span_end = excluded.span_end, rows = excluded.rows,
    csv_bytes = excluded.csv_bytes, object_bytes = excluded.object_bytes, sha256 = excluded.sha256,
    manifest = excluded.manifest, deleted_upto = excluded.deleted_upto, deleted_rows = excluded.deleted_rows,
    kept_positions = excluded.kept_positions, kept = excluded.kept, note = excluded.note, rebuilt_at = excluded.rebuilt_at
WHERE
    windows.state = 'void' AND windows.manifest IS NULL
    AND (windows.token IS NULL OR windows.token IS DISTINCT FROM %(token)s)
