-- Not run after all, or by nobody any more: the next plan works out anew when it is due, but where a person has said so.
UPDATE archiver.job_state
SET
    state = 'idle', definition = '', next_start = CASE WHEN due_by = 'manual' THEN next_start END, queued_at = NULL,
    running_since = NULL, airflow_run_id = NULL
WHERE
    job_id = %(job_id)s AND database_name = %(database)s AND state IN ('queued', 'running')
    AND airflow_run_id = %(run_id)s
