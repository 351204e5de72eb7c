-- How the events stand, those that come first at the beginning.
SELECT * FROM archiver.queue_status ORDER BY position, event_id LIMIT %(most)s
