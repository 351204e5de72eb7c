-- In a transaction of its own, which does not wait for the disk. Names may mean anything here, so all are qualified.
SELECT archiver.take_in_events(%(most)s) AS taken
