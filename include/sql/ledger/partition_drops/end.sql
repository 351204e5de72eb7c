-- How it ended: dropped, in whose transaction this runs, or attached again, or removed by somebody else.
UPDATE archiver.partitions
SET state = %(state)s, rows = %(rows)s, bytes = %(bytes)s, note = %(note)s, ended_at = clock_timestamp(),
    run_id = %(run_id)s
WHERE id = %(id)s AND state = 'detaching'
