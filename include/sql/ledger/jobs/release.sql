-- Not run after all, or by nobody any more: the next plan works out anew when it is due.
UPDATE archiver.job_state
SET state = 'idle', definition = '', queued_at = NULL, running_since = NULL, airflow_run_id = NULL
WHERE
    job_id = %(job_id)s AND database_name = %(database)s AND state IN ('queued', 'running')
    AND airflow_run_id = %(run_id)s
