-- Takes no lock that a writer would wait for. Not inside a transaction block.
CREATE INDEX CONCURRENTLY {index} ON {table} ({column})
