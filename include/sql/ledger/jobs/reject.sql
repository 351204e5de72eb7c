-- A person does not want this definition of a job that waits for it; another one will be asked about again.
UPDATE archiver.job_state
SET state = 'refused', reason = %(reason)s, next_start = NULL
WHERE
    job_id = %(job_id)s AND database_name = %(database)s
    AND state = 'waiting' AND definition = %(definition)s
