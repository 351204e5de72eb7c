-- Whether this database has a queue of events.
SELECT to_regclass('archiver.events') IS NOT NULL AND to_regclass('archiver.incoming_events') IS NOT NULL AS found
