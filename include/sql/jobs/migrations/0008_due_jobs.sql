-- Who waits for due jobs looks here again and again: at what is due, at the first that will be, and at what runs.
CREATE INDEX IF NOT EXISTS job_state_idle_next_start ON archiver.job_state (next_start) WHERE state = 'idle';

CREATE INDEX IF NOT EXISTS job_state_unsettled ON archiver.job_state (state) WHERE state IN ('running', 'refused')
