-- Of two rows under one key, the one with the later timestamp stays.
INSERT INTO {table} AS live ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM pg_temp.archiver_staged ORDER BY {position}
ON CONFLICT ({key}) DO UPDATE SET ({changed}) = ROW ({excluded})
WHERE {excluded_column} > {live_column}
