-- A row that is in the table stays as it is, one that arrives at this very moment too.
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM pg_temp.archiver_staged ORDER BY {position}
ON CONFLICT DO NOTHING
