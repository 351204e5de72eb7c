-- For a column that the target has no more: its values are read over.
ALTER TABLE pg_temp.archiver_staged ADD COLUMN {column} pg_catalog.text
