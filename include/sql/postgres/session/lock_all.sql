-- Those of several locks that are free, each as the one lock of its kind.
SELECT wanted.name, pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(wanted.name, 0)) AS taken
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS wanted (name)
