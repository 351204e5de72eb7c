-- The objects of which the ledger knows at first hand that rows left the table because of them.
WITH known AS (
    SELECT
        id, bucket, object_key, cell_start, cell_end, span_start, span_end, generation, manifest,
        manifest -> 'server' AS server,
        jsonb_build_object(
            'columns', manifest -> 'columns', 'key', manifest -> 'identity_columns',
            'timestamp_column', manifest -> 'timestamp_column'
        ) AS description
    FROM archiver.windows
    WHERE
        client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
        AND manifest IS NOT NULL AND rebuilt_at IS NULL AND deleted_rows > 0
        AND span_start < %(end)s::timestamp AND span_end > %(start)s::timestamp
),
shapes AS (
    INSERT INTO pg_temp.archiver_shapes
    SELECT DISTINCT md5(description::text), description FROM known
    ON CONFLICT DO NOTHING
)
INSERT INTO pg_temp.archiver_objects
SELECT
    id, bucket, object_key, substr(object_key, strpos(object_key, %(folder)s)), NULL,
    cell_start, cell_end, span_start, span_end, generation, manifest ->> 'timestamp_kind',
    server ->> 'system_identifier', (server ->> 'timeline')::integer, split_part(server ->> 'snapshot', ':', 2)::bigint,
    (server ->> 'read_at')::timestamptz, md5(description::text), false
FROM known
ON CONFLICT DO NOTHING
