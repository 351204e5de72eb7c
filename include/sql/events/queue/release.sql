-- Names may mean anything here, so all are qualified.
SELECT archiver.release_event(%(id)s) AS released
