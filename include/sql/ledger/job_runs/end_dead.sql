-- The caller holds the lock under which these rows are written, so whoever wrote them is gone: they stay crashes.
UPDATE archiver.job_runs
SET finished_at = clock_timestamp(), succeeded = false
WHERE
    source = 'dag' AND job_name = %(job_name)s AND subject = %(subject)s AND finished_at IS NULL
