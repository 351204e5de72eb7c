-- Cuts the empty end off, also where the table's own setting forbids it. Right after a VACUUM there is little else to do.
VACUUM (TRUNCATE TRUE, INDEX_CLEANUP ON) {table}
