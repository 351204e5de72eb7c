SELECT
    pg_catalog.set_config('archiver.mark', '', false) AS mark,
    pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(%(token)s, 0)) AS unlocked
