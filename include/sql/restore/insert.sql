INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM pg_temp.archiver_staged ORDER BY {position}
