-- The first generation of each of several windows; as of one, there is no row where another run was quicker.
WITH windows AS (
    INSERT INTO archiver.windows (
        client, table_schema, table_name, cell_start, cell_end, generation, span_start, span_end,
        state, bucket, object_key, run_id, token
    )
    SELECT
        %(client)s, %(schema)s, %(table)s, begun.cell_start, begun.cell_end, 1, begun.span_start, begun.span_end,
        'planned', %(bucket)s, begun.object_key, %(run_id)s, begun.token
    FROM unnest(
        %(cell_starts)s::timestamp[], %(cell_ends)s::timestamp[], %(span_starts)s::timestamp[],
        %(span_ends)s::timestamp[], %(object_keys)s::text[], %(tokens)s::text[]
    ) AS begun (cell_start, cell_end, span_start, span_end, object_key, token)
    ON CONFLICT DO NOTHING
    RETURNING *
)
SELECT
    {ledger/windows/fragments/generation},
    EXISTS (
        SELECT FROM archiver.owners
        WHERE owners.client = windows.client AND owners.bucket = windows.bucket AND owners.adopted IS NOT NULL
    ) AS handed_over,
    pg_catalog.set_config('synchronous_commit', %(commit)s, true) AS synchronous_commit
FROM windows
{ledger/windows/fragments/line}
