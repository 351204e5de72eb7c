-- Every change of a job's definition: who made it, and what the row was before and after. What was asked for with
-- next_start is no change of the definition. A job may be gone, so nothing refers to it.
CREATE TABLE IF NOT EXISTS archiver.job_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who name NOT NULL,
    old jsonb,
    new jsonb
);

CREATE INDEX IF NOT EXISTS job_changes_of_job ON archiver.job_changes (job_id, id)
