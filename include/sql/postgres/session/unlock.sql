SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(%(name)s, 0)) AS given
