UPDATE archiver.job_state
SET state = 'idle', approved_definition = %(definition)s, reason = NULL
WHERE job_id = %(job_id)s AND database_name = %(database)s AND state = 'waiting' AND definition = %(definition)s
