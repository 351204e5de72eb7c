SELECT count(*) AS objects FROM pg_temp.archiver_objects
