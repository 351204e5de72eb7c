-- Who waits for due jobs looks here again and again: at what is due, and at the first that will be.
CREATE INDEX IF NOT EXISTS job_state_idle_next_start ON archiver.job_state (next_start) WHERE state = 'idle'
