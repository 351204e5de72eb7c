-- Held to the end of the batch: nobody can rewrite the table, alter it, give it a trigger or a rule, or point a foreign key
-- at it. A part can still be attached.
LOCK TABLE {table} IN ROW EXCLUSIVE MODE
