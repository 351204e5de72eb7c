-- Rows are numbered as they come in: the number in the object by which the ledger speaks of them.
ALTER TABLE pg_temp.archiver_staged ADD COLUMN {position} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
