-- As of one window, of each of several: only the step that began an object may say that it is exported.
UPDATE archiver.windows
SET
    state = 'exported', exported_at = clock_timestamp(), manifest = given.manifest::jsonb, rows = given.rows,
    csv_bytes = given.csv_bytes, object_bytes = given.object_bytes, sha256 = given.sha256
FROM unnest(
    %(ids)s::bigint[], %(manifests)s::text[], %(rows_of_each)s::bigint[], %(csv_bytes_of_each)s::bigint[],
    %(object_bytes_of_each)s::bigint[], %(sha256_of_each)s::text[]
) AS given (id, manifest, rows, csv_bytes, object_bytes, sha256)
WHERE windows.id = given.id AND state = 'planned'
RETURNING windows.id, pg_catalog.set_config('synchronous_commit', %(commit)s, true)
