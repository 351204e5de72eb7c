-- For VACUUM and REINDEX, which take as long as the table is large.
SELECT
    set_config('statement_timeout', %(statement_timeout)s, false) AS statement_timeout,
    set_config('vacuum_cost_delay', %(cost_delay)s, false) AS vacuum_cost_delay
