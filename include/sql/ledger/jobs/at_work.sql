-- The jobs that are written as running, and at which somebody is at work.
SELECT state.job_id, state.database_name
FROM archiver.job_state AS state
WHERE state.state = 'running' AND {ledger/jobs/fragments/is_at_work}
