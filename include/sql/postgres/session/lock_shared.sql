-- As the other lock, but held side by side by all who share it.
SELECT pg_catalog.pg_try_advisory_lock_shared(pg_catalog.hashtextextended(%(name)s, 0)) AS taken
