-- Held to the end of the object: nobody can change the target's columns while its rows are on their way.
LOCK TABLE {table} IN ROW EXCLUSIVE MODE
