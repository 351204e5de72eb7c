-- Held to the end of the batch: no rewrite can move rows between the look at the file nodes and the delete.
LOCK TABLE {table} IN ROW EXCLUSIVE MODE
