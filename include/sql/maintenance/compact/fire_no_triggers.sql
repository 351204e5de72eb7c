-- Until the end of this transaction: no user-defined trigger fires, and no foreign key is checked, which a value that
-- stays the same cannot break.
SELECT set_config('session_replication_role', 'replica', true)
