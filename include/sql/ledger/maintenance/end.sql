-- A row that another process took for a dead one's has ended already, and stays as it is.
UPDATE archiver.maintenance
SET
    state = %(ending)s,
    ended_at = clock_timestamp(),
    heap_after = %(heap)s,
    indexes_after = %(indexes)s,
    toast_after = %(toast)s,
    seconds = extract(EPOCH FROM clock_timestamp() - started_at),
    longest_wait_seconds = %(longest_wait)s,
    note = %(note)s
WHERE id = %(id)s AND state = 'running'
