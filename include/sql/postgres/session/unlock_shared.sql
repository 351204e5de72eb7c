SELECT pg_advisory_unlock_shared(hashtextextended(%(name)s, 0)) AS given
