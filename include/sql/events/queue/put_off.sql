-- Names may mean anything here, so all are qualified.
SELECT archiver.put_off_event(%(id)s, %(seconds)s::pg_catalog.float8) AS found
