SELECT
    set_config('vacuum_cost_delay', (SELECT reset_val FROM pg_settings WHERE name = 'vacuum_cost_delay'), false),
    set_config('vacuum_cost_limit', (SELECT reset_val FROM pg_settings WHERE name = 'vacuum_cost_limit'), false)
