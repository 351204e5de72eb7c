-- A dry run must not create the ledger, so it asks first. It reads the catalog's tables: to_regclass answers from
-- the session's cache, which may be older than what another first run has just committed.
SELECT
    coalesce(bool_or(class.relname = 'migrations'), false) AS migrations,
    coalesce(bool_or(class.relname = 'windows'), false) AS windows,
    coalesce(bool_or(class.relname = 'restores'), false) AS restores,
    coalesce(bool_or(class.relname = 'restore_targets'), false) AS restore_targets,
    coalesce(bool_or(class.relname = 'partitions'), false) AS partitions,
    coalesce(bool_or(class.relname = 'enabled_before'), false) AS enabled_before,
    coalesce(bool_or(class.relname = 'owners'), false) AS owners,
    coalesce(bool_or(class.relname = 'lowest_version'), false) AS lowest_version,
    coalesce(bool_or(class.relname = 'window_lengths'), false) AS window_lengths,
    coalesce(bool_or(class.relname = 'second_writes'), false) AS second_writes,
    coalesce(bool_or(class.relname = 'job_runs'), false) AS job_runs,
    coalesce(bool_or(class.relname = 'jobs'), false) AS jobs,
    coalesce(bool_or(class.relname = 'job_state'), false) AS job_state,
    coalesce(bool_or(class.relname = 'events'), false) AS events
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = 'archiver' AND class.relkind = 'r'
