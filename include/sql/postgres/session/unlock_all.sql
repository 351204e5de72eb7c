SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(held.name, 0)) AS given
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS held (name)
