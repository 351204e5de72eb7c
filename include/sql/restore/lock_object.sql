-- To the end of the transaction: two restores never put the same object into the same table at once, even if they have
-- lost the locks of their sessions.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%(name)s, 0)) AS lock
