-- What a DAG did to one subject in one run, noted at its end. A task that is cleared and run again notes it once more:
-- the row then tells of all of the run.
INSERT INTO archiver.job_runs (
    database_name, job_name, source, action, subject, caused_by, started_at, finished_at, succeeded, rows, bytes,
    err_message, airflow_dag_id, airflow_run_id
)
VALUES (
    current_database(), %(dag_id)s, 'dag', %(action)s, %(subject)s, 'dag', least(%(started_at)s, clock_timestamp()),
    clock_timestamp(), %(succeeded)s, %(rows)s, %(bytes)s, %(err_message)s, %(dag_id)s, %(run_id)s
)
ON CONFLICT (airflow_dag_id, airflow_run_id, action, (coalesce(subject, ''))) WHERE source = 'dag' DO UPDATE
SET
    finished_at = excluded.finished_at,
    succeeded = excluded.succeeded,
    crashed = false,
    rows = excluded.rows,
    bytes = excluded.bytes,
    err_message = excluded.err_message
