-- Waits for whoever rebuilds an index of this table; what was a leftover may have become the index itself by then,
-- under its own name.
DROP INDEX CONCURRENTLY IF EXISTS {index}
