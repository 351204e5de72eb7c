-- Both locks of `lock_both`, when both were had.
SELECT
    pg_catalog.pg_advisory_unlock_shared(pg_catalog.hashtextextended(%(shared)s, 0)) AS shared_given,
    pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(%(name)s, 0)) AS given
