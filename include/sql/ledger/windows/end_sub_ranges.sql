-- The end of a generation whose rows left by ranges of time: from here on it is told by their numbers which of them stayed,
-- as of every other one. Only if just those sub-ranges left from which the numbers were found, and as many rows.
UPDATE archiver.windows
SET
    state = 'deleted', deleted_at = clock_timestamp(), deleted_by_run_id = %(run_id)s, note = %(note)s, cause = %(cause)s,
    range_missed = %(missed)s, deleted_upto = %(upto)s, kept = %(kept)s::int8multirange,
    kept_positions = %(kept_positions)s::bigint[]
WHERE
    id = %(id)s AND state = 'stored' AND deleted_upto = 0
    AND sub_ranges_gone = %(gone)s::int4multirange
    AND deleted_rows = %(upto)s::bigint - %(kept_rows)s::bigint
RETURNING pg_catalog.set_config('synchronous_commit', %(commit)s, true)
