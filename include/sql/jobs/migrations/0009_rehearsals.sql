-- What takes rows away is rehearsed before it acts: the digest of the row of which a rehearsal has succeeded. And when
-- somebody asked for a next start, which counts as seen only after the rehearsal.
ALTER TABLE archiver.job_state
    ADD COLUMN IF NOT EXISTS rehearsed_definition text,
    ADD COLUMN IF NOT EXISTS asked_at timestamptz
