-- Its own line among the statistics; of those of others all but what may hold rows.
GRANT
SELECT (
    id, job_id, source_database, folded_at, database_name, job_name, source, action, subject, caused_by, dry_run,
    started_at, finished_at, succeeded, crashed, rows, bytes, sqlerrcode, pid, worker, airflow_dag_id, airflow_run_id
),
INSERT,
UPDATE
ON archiver.job_runs TO {role}
