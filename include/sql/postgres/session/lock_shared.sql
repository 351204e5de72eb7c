-- As the other lock, but held side by side by all who share it.
SELECT pg_try_advisory_lock_shared(hashtextextended(%(name)s, 0)) AS taken
