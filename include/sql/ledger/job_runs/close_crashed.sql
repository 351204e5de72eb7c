-- It stays a crash. Its end may have been written a moment ago.
UPDATE archiver.job_runs
SET finished_at = clock_timestamp(), succeeded = false
WHERE id = %(id)s AND finished_at IS NULL
