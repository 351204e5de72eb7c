-- Ends a generation of which nothing was deleted; its object, if there is one, is left alone.
UPDATE archiver.windows
SET state = 'void', note = %(note)s, cause = %(cause)s, deleted_by_run_id = %(run_id)s,
    range_missed = %(missed)s
WHERE id = %(id)s AND state IN ('planned', 'exported', 'stored') AND deleted_rows = 0
