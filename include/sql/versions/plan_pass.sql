-- Until the transaction ends: a pass that ranks all versions has its sort in memory, and finds rows by hash where it may
-- join so, else straight by their places, in the order of the list.
SELECT
    set_config('enable_hashjoin', %(joins)s, true) AS hash_join,
    set_config('enable_mergejoin', %(joins)s, true) AS merge_join,
    set_config('work_mem', '64MB', true) AS memory,
    set_config('jit', 'off', true) AS jit
