-- How each job stands in each database that it speaks of: apart from the jobs, since statistics need no right on
-- definitions. `definition` is the digest of the row that next_start was worked out from; '' where nothing was yet, and a
-- next_start beside it is one that somebody asked for. due_by says why it will be due. Who runs a job sets next_start to null first, so that what the job
-- or a person asks for meanwhile is seen at the end. A run's statistics are taken in once: last_folded is the id of the
-- last run of which they were, in the database that it worked on, and last_folded_start when it began.
CREATE TABLE IF NOT EXISTS archiver.job_state (
    job_id integer NOT NULL REFERENCES archiver.jobs ON DELETE CASCADE,
    database_name text NOT NULL,
    definition text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'idle' CHECK (
        state IN ('idle', 'waiting', 'queued', 'running', 'refused', 'exhausted')
    ),
    reason text,
    next_start timestamptz,
    due_by text NOT NULL DEFAULT 'schedule' CHECK (due_by IN ('schedule', 'retry', 'event', 'manual')),
    queued_at timestamptz,
    airflow_run_id text,
    approved_definition text,
    rehearsed_at timestamptz,
    running_since timestamptz,
    last_start timestamptz,
    last_finish timestamptz,
    last_successful_finish timestamptz,
    last_run_success boolean,
    total_runs bigint NOT NULL DEFAULT 0,
    total_successes bigint NOT NULL DEFAULT 0,
    total_failures bigint NOT NULL DEFAULT 0,
    total_crashes bigint NOT NULL DEFAULT 0,
    total_duration interval NOT NULL DEFAULT '0',
    total_duration_failures interval NOT NULL DEFAULT '0',
    consecutive_failures integer NOT NULL DEFAULT 0,
    consecutive_crashes integer NOT NULL DEFAULT 0,
    total_rows bigint NOT NULL DEFAULT 0,
    total_bytes bigint NOT NULL DEFAULT 0,
    last_folded bigint,
    last_folded_start timestamptz,
    PRIMARY KEY (job_id, database_name)
) WITH (fillfactor = 70)
