ALTER TABLE pg_temp.archiver_staged ALTER COLUMN {column} TYPE {type} USING {converted}
