-- The lock belongs to the session, so it outlives the transactions of one window's work.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%(name)s, 0)) AS taken
