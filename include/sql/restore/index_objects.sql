CREATE INDEX ON pg_temp.archiver_objects (place)
