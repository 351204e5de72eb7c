-- Leaves the planner one sensible way: along the index to the oldest rows, and for each straight to its place. With more
-- ways open, plans flip to reading the whole table for each batch. Nothing is compiled for statements that are this short,
-- and planning one takes a quarter of its time: it is planned once.
-- A batch does not wait for the disk: one that a crash of the server takes back is back with its count, and to be deleted
-- again. Whatever this program notes afterwards is on disk only after it.
SELECT
    set_config('enable_hashjoin', 'off', false) AS hash_join,
    set_config('enable_mergejoin', 'off', false) AS merge_join,
    set_config('enable_seqscan', 'off', false) AS sequential_scan,
    set_config('enable_bitmapscan', 'off', false) AS bitmap_scan,
    set_config('enable_sort', 'off', false) AS sort,
    set_config('jit', 'off', false) AS jit,
    set_config('plan_cache_mode', 'force_generic_plan', false) AS plan_cache,
    set_config('synchronous_commit', 'off', false) AS synchronous_commit
