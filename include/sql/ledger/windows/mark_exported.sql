-- Only the step that began this object may say that it is exported; a run that took over has voided the row.
UPDATE archiver.windows
SET
    state = 'exported', exported_at = clock_timestamp(), manifest = %(manifest)s, rows = %(rows)s,
    csv_bytes = %(csv_bytes)s, object_bytes = %(object_bytes)s, sha256 = %(sha256)s
WHERE id = %(id)s AND state = 'planned'
RETURNING pg_catalog.set_config('synchronous_commit', %(commit)s, true)
