-- Why a generation ended before all of its rows were processed: 'damaged' if S3 gave back something else than was sent,
-- 'given up' if the table or what is due had changed. It is then for the report to say how bad that is.
ALTER TABLE archiver.windows ADD COLUMN cause text CHECK (cause IN ('damaged', 'given up'))
