SELECT pg_catalog.pg_advisory_unlock_shared(pg_catalog.hashtextextended(%(name)s, 0)) AS given
