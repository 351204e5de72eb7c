CREATE INDEX ON pg_temp.archiver_seen ({key})
