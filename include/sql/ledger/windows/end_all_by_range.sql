-- Runs in the transaction in which all rows of several windows leave, each of a single sub-range, and is at once the end of
-- their generations. Where another process has noted or ended one of them, that one is not returned, and the caller rolls
-- all of it back. Like the delete it looks nothing up along the database's own search path.
UPDATE archiver.windows
SET
    state = 'deleted', deleted_at = pg_catalog.clock_timestamp(), deleted_by_run_id = %(run_id)s, note = NULL, cause = NULL,
    range_missed = false, deleted_rows = given.rows, deleted_upto = given.rows,
    sub_ranges_gone = '{{[1,2)}}'::pg_catalog.int4multirange, kept = '{{}}'::pg_catalog.int8multirange,
    kept_positions = '{{}}'::pg_catalog.int8[]
FROM ROWS FROM (
    pg_catalog.unnest(%(ids)s::pg_catalog.int8[]), pg_catalog.unnest(%(rows_of_each)s::pg_catalog.int8[])
) AS given (id, rows)
WHERE
    windows.id OPERATOR(pg_catalog.=) given.id
    AND windows.state OPERATOR(pg_catalog.=) 'stored'
    AND windows.rows OPERATOR(pg_catalog.=) given.rows
    AND windows.deleted_upto OPERATOR(pg_catalog.=) 0::pg_catalog.int8
    AND windows.deleted_rows OPERATOR(pg_catalog.=) 0::pg_catalog.int8
    AND windows.sub_ranges_gone IS NULL
RETURNING windows.id, pg_catalog.set_config('synchronous_commit', %(commit)s, true)
