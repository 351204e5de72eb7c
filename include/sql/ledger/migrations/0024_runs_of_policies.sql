-- Runs of jobs that come from a table of policies. Not checked against the rows that are there, which fit: a scan would keep
-- whoever is at work out for as long as it takes.
ALTER TABLE archiver.job_runs
    DROP CONSTRAINT IF EXISTS job_runs_source_check,
    ADD CONSTRAINT job_runs_source_check CHECK (source IN ('table', 'file', 'policies', 'dag')) NOT VALID
