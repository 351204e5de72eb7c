-- A new generation. The unique constraints guarantee that no generation and no key is ever used twice: if another
-- run was quicker, there is no row. Where a person handed the archive to this database, objects may lie there that its
-- ledger does not know.
WITH windows AS (
    INSERT INTO archiver.windows (
        client, table_schema, table_name, cell_start, cell_end, generation, span_start, span_end,
        state, bucket, object_key, run_id, token
    )
    VALUES (
        %(client)s, %(schema)s, %(table)s, %(cell_start)s, %(cell_end)s, %(generation)s, %(span_start)s, %(span_end)s,
        'planned', %(bucket)s, %(object_key)s, %(run_id)s, %(token)s
    )
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
