-- INDEX_CLEANUP ON: else a few dead rows are left in place, and their pages cannot be cut off.
VACUUM (TRUNCATE FALSE, INDEX_CLEANUP ON) {table}
