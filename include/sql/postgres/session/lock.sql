-- The lock belongs to the session, so it outlives the transactions of one window's work.
SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 0)) AS taken
