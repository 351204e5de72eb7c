SELECT
    set_config('vacuum_cost_delay', (SELECT reset_val FROM pg_settings WHERE name = 'vacuum_cost_delay'), false) AS delay,
    set_config('vacuum_cost_limit', (SELECT reset_val FROM pg_settings WHERE name = 'vacuum_cost_limit'), false) AS most
