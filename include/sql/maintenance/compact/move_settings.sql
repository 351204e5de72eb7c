-- Until the end of this transaction. A commit need not wait for the disk: if a crash takes the last moves back, the
-- rows are where they were, with the same content. Locks are waited for only as long as a writer may be stalled.
-- The places are looked up directly, whatever the statistics say.
SELECT
    set_config('synchronous_commit', 'off', true) AS synchronous_commit,
    set_config('lock_timeout', %(lock_timeout)s, true) AS lock_timeout,
    set_config('enable_seqscan', 'off', true) AS enable_seqscan,
    set_config('jit', 'off', true) AS jit
