-- Copies the live rows into a new file under an ACCESS EXCLUSIVE lock. Not inside a transaction block.
VACUUM (FULL) {table}
