UPDATE archiver.job_runs
SET rows = coalesce(rows, 0) + %(rows)s, bytes = coalesce(bytes, 0) + %(bytes)s
WHERE id = %(id)s
