UPDATE archiver.windows
SET state = 'stored', stored_at = clock_timestamp(), etag = given.etag
FROM unnest(%(ids)s::bigint[], %(etags)s::text[]) AS given (id, etag)
WHERE windows.id = given.id AND state = 'exported'
RETURNING windows.id, pg_catalog.set_config('synchronous_commit', %(commit)s, true)
