-- Jobs that were taken by runs of Airflow which have ended, and that never began.
UPDATE archiver.job_state
SET state = 'idle', queued_at = NULL, airflow_run_id = NULL
WHERE state = 'queued' AND airflow_run_id = ANY(%(run_ids)s)
