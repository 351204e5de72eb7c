-- Which rows of its object a restore has put into its target, by their numbers. Null in lines of an older version,
-- which noted spans alone.
ALTER TABLE archiver.restores ADD COLUMN IF NOT EXISTS positions int8multirange
