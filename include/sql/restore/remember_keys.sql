INSERT INTO pg_temp.archiver_seen ({key}) SELECT {key} FROM pg_temp.archiver_staged
