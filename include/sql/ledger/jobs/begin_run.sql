-- From here on a next start is what the job itself or a person asks for meanwhile.
UPDATE archiver.job_state
SET state = 'running', next_start = NULL, running_since = clock_timestamp()
WHERE
    job_id = %(job_id)s AND database_name = %(database)s AND state = 'queued' AND definition = %(definition)s
    AND airflow_run_id = %(run_id)s
