-- Objects that the ledger knows from their manifests alone and that are not where the policy says by now.
SELECT bucket, object_key
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND manifest IS NOT NULL AND rebuilt_at IS NOT NULL
    AND span_start < %(end)s::timestamp AND span_end > %(start)s::timestamp
    AND NOT EXISTS (
        SELECT FROM pg_temp.archiver_objects AS there
        WHERE there.tail = substr(windows.object_key, strpos(windows.object_key, %(folder)s))
    )
ORDER BY id
