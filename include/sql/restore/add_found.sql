-- An object that the ledger does not know at first hand, as its manifest describes it.
WITH found AS (
    SELECT
        manifest,
        manifest -> 'server' AS server,
        jsonb_build_object(
            'columns', manifest -> 'columns', 'key', manifest -> 'identity_columns',
            'timestamp_column', manifest -> 'timestamp_column'
        ) AS description
    FROM (SELECT %(manifest)s::jsonb AS manifest) AS given
),
shapes AS (
    INSERT INTO pg_temp.archiver_shapes SELECT md5(description::text), description FROM found
    ON CONFLICT DO NOTHING
)
INSERT INTO pg_temp.archiver_objects
SELECT
    NULL, %(bucket)s, %(object_key)s, substr(%(object_key)s, strpos(%(object_key)s, %(folder)s)), %(listed_key)s,
    (manifest ->> 'cell_start')::timestamp, (manifest ->> 'cell_end')::timestamp,
    (manifest ->> 'span_start')::timestamp, (manifest ->> 'span_end')::timestamp,
    (manifest ->> 'generation')::integer, manifest ->> 'timestamp_kind',
    server ->> 'system_identifier', (server ->> 'timeline')::integer, split_part(server ->> 'snapshot', ':', 2)::bigint,
    (server ->> 'read_at')::timestamptz, md5(description::text), %(noted)s
FROM found
ON CONFLICT DO NOTHING
