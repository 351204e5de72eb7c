-- Leaves the planner one sensible way: for each key, straight to the row's place. With more ways open, plans flip
-- to reading along an index over all the dead entries that earlier windows left.
SELECT set_config('enable_hashjoin', 'off', false) AS hash_join, set_config('enable_mergejoin', 'off', false) AS merge_join
