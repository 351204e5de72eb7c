-- The plan asks for what earlier runs left unfinished; there is little of it among much that is done.
CREATE INDEX windows_open ON archiver.windows (client, table_schema, table_name, cell_start)
WHERE state IN ('planned', 'exported', 'stored')
