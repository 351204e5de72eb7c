SELECT
    pg_catalog.set_config('lock_timeout', %(lock_timeout)s, false) AS lock_timeout,
    pg_catalog.set_config('statement_timeout', %(statement_timeout)s, false) AS statement_timeout
