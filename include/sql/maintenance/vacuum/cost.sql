-- VACUUM rests for so many milliseconds whenever its reads and writes have added up to the limit.
SELECT
    set_config('vacuum_cost_delay', %(cost_delay)s, false) AS vacuum_cost_delay,
    set_config('vacuum_cost_limit', %(cost_limit)s, false) AS vacuum_cost_limit
