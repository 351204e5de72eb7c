UPDATE archiver.windows
SET state = 'stored', stored_at = clock_timestamp(), etag = %(etag)s
WHERE id = %(id)s AND state = 'exported'
RETURNING pg_catalog.set_config('synchronous_commit', %(commit)s, true)
