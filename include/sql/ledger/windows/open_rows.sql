-- The next generations that a drop of a whole partition has to deal with.
SELECT
    id, generation, state, cell_start, cell_end, span_start, span_end, bucket, object_key, run_id, rows, csv_bytes,
    object_bytes, etag, manifest, deleted_upto, deleted_rows, kept_positions, kept::text AS kept, note, rebuilt_at,
    token
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND state IN ('planned', 'exported', 'stored')
    AND cell_start >= %(start)s AND cell_end <= %(end)s
    AND (cell_start, cell_end, generation)
    > (%(after_start)s::timestamp, %(after_end)s::timestamp, %(after_generation)s::integer)
ORDER BY cell_start, cell_end, generation
LIMIT %(limit)s
