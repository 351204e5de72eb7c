-- Runs in the transaction of the delete batch, and like it looks nothing up along the database's own search path.
-- The old position in the condition makes a batch count once, even when two processes try it at the same moment: the
-- second finds no row and rolls its batch back.
UPDATE archiver.windows
SET
    deleted_upto = %(upto)s,
    deleted_rows = deleted_rows OPERATOR(pg_catalog.+) %(deleted)s::bigint,
    kept_positions = pg_catalog.array_cat(kept_positions, %(kept)s::bigint[]),
    deleted_by_run_id = %(run_id)s
WHERE
    id OPERATOR(pg_catalog.=) %(id)s::bigint
    AND state OPERATOR(pg_catalog.=) 'stored'
    AND deleted_upto OPERATOR(pg_catalog.=) %(after)s::bigint
