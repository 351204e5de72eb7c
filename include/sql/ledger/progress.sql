-- Runs in the transaction of the delete batch. The old position in the condition makes a batch count once,
-- even when two processes try it at the same moment: the second finds no row and rolls its batch back.
UPDATE archiver.windows
SET deleted_upto = %(upto)s, deleted_rows = deleted_rows + %(deleted)s,
    kept_positions = kept_positions || %(kept)s::bigint[], deleted_by_run_id = %(run_id)s
WHERE id = %(id)s AND state = 'stored' AND deleted_upto = %(after)s
