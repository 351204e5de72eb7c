-- Leaves the planner its ways to list places, which reads all that there is to read once, and sorts it in memory. The rest
-- is as in plan_by_index.sql.
SELECT
    set_config('enable_hashjoin', 'on', false) AS hash_join,
    set_config('enable_mergejoin', 'on', false) AS merge_join,
    set_config('enable_seqscan', 'on', false) AS sequential_scan,
    set_config('enable_bitmapscan', 'on', false) AS bitmap_scan,
    set_config('enable_sort', 'on', false) AS sort,
    set_config('work_mem', '64MB', false) AS memory,
    set_config('jit', 'off', false) AS jit,
    set_config('synchronous_commit', 'off', false) AS synchronous_commit
