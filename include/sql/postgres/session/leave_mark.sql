-- A setting and a lock by which the same session is known again. Names may mean anything here, so all are qualified.
SELECT
    pg_catalog.set_config('archiver.mark', %(token)s, false) AS mark,
    pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%(token)s, 0)) AS locked
