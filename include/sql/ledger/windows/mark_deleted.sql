-- The end of a generation: all of its rows were deleted, or found changed since and left.
UPDATE archiver.windows
SET
    state = 'deleted', deleted_at = clock_timestamp(), deleted_by_run_id = %(run_id)s, note = %(note)s,
    cause = %(cause)s
WHERE id = %(id)s AND state = 'stored'
RETURNING pg_catalog.set_config('synchronous_commit', %(commit)s, true)
