-- One lock, and if it is free a share of another one: `taken` says of the first, `shared` of both.
SELECT
    CASE
        WHEN mine.taken THEN pg_catalog.pg_try_advisory_lock_shared(pg_catalog.hashtextextended(%(shared)s, 0))
        ELSE false
    END AS shared,
    mine.taken
FROM (
    SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%(name)s, 0)) AS taken
    OFFSET 0
) AS mine
