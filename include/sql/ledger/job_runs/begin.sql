-- Committed before anything is done, as a crash: it stays one unless the end is written.
INSERT INTO archiver.job_runs (
    job_id, source_database, database_name, job_name, source, action, subject, caused_by, dry_run, crashed, pid, worker,
    airflow_dag_id, airflow_run_id
)
VALUES (
    %(job_id)s, %(source_database)s, %(database)s, %(job_name)s, %(source)s, %(action)s, %(subject)s, %(caused_by)s,
    %(dry_run)s, true, pg_backend_pid(), %(worker)s, %(dag_id)s, %(run_id)s
)
ON CONFLICT (airflow_dag_id, airflow_run_id, action, (coalesce(subject, ''))) WHERE source = 'dag' DO UPDATE
SET
    started_at = clock_timestamp(),
    finished_at = NULL,
    succeeded = NULL,
    crashed = true,
    dry_run = excluded.dry_run,
    rows = NULL,
    bytes = NULL,
    sqlerrcode = NULL,
    err_message = NULL,
    output = NULL,
    pid = excluded.pid,
    worker = excluded.worker
RETURNING id
