-- One that was closed as a crash has ended, and stays as it is. What was counted with the rows that went stays counted.
UPDATE archiver.job_runs
SET
    finished_at = clock_timestamp(),
    succeeded = %(succeeded)s,
    crashed = false,
    rows = coalesce(%(rows)s, rows),
    bytes = coalesce(%(bytes)s, bytes),
    sqlerrcode = %(sqlerrcode)s,
    err_message = %(err_message)s,
    output = %(output)s
WHERE id = %(id)s AND finished_at IS NULL
