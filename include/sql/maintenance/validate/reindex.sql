-- Not inside a transaction block; readers and writers go on.
REINDEX INDEX CONCURRENTLY {index}
