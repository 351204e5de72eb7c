-- Leaves the planner one sensible way from the places of a batch to its rows: for each straight to its place.
SELECT set_config('enable_hashjoin', 'off', true) AS hash_join, set_config('enable_mergejoin', 'off', true) AS merge_join
