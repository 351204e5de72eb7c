DROP TRIGGER IF EXISTS repack_trigger ON {table}
