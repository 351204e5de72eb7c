-- Runs without an end: at work, or dead. Whoever asks tells by the locks.
SELECT id, job_id, database_name, started_at
FROM archiver.job_runs
WHERE finished_at IS NULL AND job_id IS NOT NULL AND source_database = %(source_database)s
ORDER BY id
