-- Not inside a transaction block; readers and writers continue.
REINDEX INDEX CONCURRENTLY {index}
