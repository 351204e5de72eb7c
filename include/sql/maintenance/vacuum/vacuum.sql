-- Not inside a transaction block.
VACUUM (ANALYZE) {table}
