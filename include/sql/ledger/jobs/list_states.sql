SELECT
    job_id, database_name, definition, state, reason, next_start, due_by, queued_at, airflow_run_id, approved_definition,
    rehearsed_at, rehearsed_definition, asked_at, last_start, last_finish, last_run_success, consecutive_failures, consecutive_crashes
FROM archiver.job_state
WHERE %(job_id)s::integer IS NULL OR job_id = %(job_id)s
ORDER BY job_id, database_name
