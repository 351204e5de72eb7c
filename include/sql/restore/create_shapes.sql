-- What these objects hold: columns and key, each different combination once.
CREATE TEMPORARY TABLE archiver_shapes (shape text PRIMARY KEY, description jsonb NOT NULL)
