-- Rows are numbered as they come in, so that a batch is a span of numbers, the same at every try.
ALTER TABLE pg_temp.archiver_keys ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
