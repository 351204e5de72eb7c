UPDATE archiver.windows
SET state = 'stored', stored_at = clock_timestamp(), etag = %(etag)s
WHERE id = %(id)s AND state = 'exported'
