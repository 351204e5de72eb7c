-- How long VACUUM rests whenever it has done a certain amount of work.
SELECT set_config('vacuum_cost_delay', %(cost_delay)s, false) AS vacuum_cost_delay
