-- The numbers of the rows that stayed, as ranges: a window of which every row had changed takes no more room than one of
-- which one had. kept_positions goes on listing them while they are few; where it is null they are in `kept` alone. Old
-- rows have them in kept_positions alone, and stay as they are. Nothing is read or rewritten here, so the lock is short.
ALTER TABLE archiver.windows
ADD COLUMN IF NOT EXISTS kept int8multirange,
ALTER COLUMN kept_positions DROP NOT NULL,
DROP CONSTRAINT IF EXISTS windows_kept,
ADD CONSTRAINT windows_kept CHECK (kept IS NOT NULL OR kept_positions IS NOT NULL) NOT VALID
