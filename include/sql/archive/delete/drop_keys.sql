DROP TABLE IF EXISTS pg_temp.archiver_keys
