-- Two first runs at once: the second waits here and then finds everything in place.
SELECT pg_advisory_xact_lock(hashtextextended('archiver migrations', 0)) AS lock
