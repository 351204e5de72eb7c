-- Relations of schema archiver that have a name of ours and are something else: not a table, or without the columns that
-- the very first version gave it.
SELECT class.relname AS name
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN (
    VALUES
    ('migrations', ARRAY['number', 'name']),
    (
        'windows',
        ARRAY[
            'id', 'client', 'table_schema', 'table_name', 'cell_start', 'cell_end', 'generation', 'state', 'bucket',
            'object_key', 'manifest'
        ]
    ),
    ('job_runs', ARRAY['id', 'job_id', 'database_name', 'source', 'action', 'started_at', 'crashed', 'folded_at']),
    ('window_lengths', ARRAY['client', 'table_schema', 'table_name', 'hours', 'rows_a_day']),
    ('second_writes', ARRAY['client', 'bucket', 'prefix', 'endpoint', 'refused', 'asked_at']),
    ('jobs', ARRAY['job_id', 'job_name', 'source', 'action', 'config', 'schedule_interval', 'owner', 'next_start']),
    ('job_state', ARRAY['job_id', 'database_name', 'definition', 'state', 'next_start', 'last_folded']),
    ('job_changes', ARRAY['id', 'job_id', 'who', 'old', 'new']),
    ('policy_owners', ARRAY['role', 'database_name']),
    ('bindings', ARRAY['binding_id', 'job_id', 'source', 'channel', 'topic', 'key_columns', 'removed_at']),
    ('capture', ARRAY['enabled', 'notify']),
    ('incoming_events', ARRAY['id', 'binding_id', 'operation', 'key', 'payload']),
    ('events', ARRAY['id', 'turn', 'available_at', 'topic_hash', 'binding_id', 'attempts', 'crashes', 'key']),
    ('dead_events', ARRAY['id', 'binding_id', 'key', 'died_at', 'reason']),
    ('blocked_topics', ARRAY['topic_hash', 'event_id', 'until']),
    ('workers', ARRAY['worker_id', 'pid', 'lane', 'in_hand']),
    ('event_log', ARRAY['event_id', 'binding_id', 'attempt', 'started_at', 'succeeded']),
    ('intake', ARRAY['settled', 'reached', 'horizon'])
) AS expected (name, columns) ON expected.name = class.relname
WHERE
    space.nspname = 'archiver'
    AND class.relname = ANY(%(names)s)
    AND (
        class.relkind <> 'r'
        OR NOT expected.columns <@ ARRAY(
            SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
        )::text[]
    )
ORDER BY class.relname
