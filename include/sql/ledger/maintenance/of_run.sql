-- What this run did to the table, and what an earlier try of it did.
SELECT
    action, strategy, state, heap_before, indexes_before, toast_before, heap_after, indexes_after, toast_after, seconds,
    longest_wait_seconds, note
FROM archiver.maintenance
WHERE client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s AND run_id = %(run_id)s
ORDER BY id
