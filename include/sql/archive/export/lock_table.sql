-- Taken before the snapshot: from here to the end of the transaction nobody can add a column or rewrite the table.
LOCK TABLE {table} IN ACCESS SHARE MODE
