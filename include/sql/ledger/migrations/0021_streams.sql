-- What is kept here is made where it is used: each stream of migrations is numbered by itself. An older program reads the
-- numbers alone; those of the ledger are all there before another stream begins.
ALTER TABLE archiver.migrations
ADD COLUMN IF NOT EXISTS stream text NOT NULL DEFAULT 'ledger',
DROP CONSTRAINT IF EXISTS migrations_pkey,
ADD CONSTRAINT migrations_pkey PRIMARY KEY (stream, number)
