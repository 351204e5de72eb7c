-- What went of the versions of a job's table for events, in the transaction in which it went.
UPDATE archiver.job_state
SET
    total_keys = total_keys + %(keys)s,
    total_rows = total_rows + %(rows)s,
    total_bytes = total_bytes + %(bytes)s,
    highest_version = coalesce(%(highest_version)s, highest_version)
WHERE job_id = %(job_id)s AND database_name = %(database)s
