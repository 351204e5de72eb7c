-- Writers hold the table before the log that the trigger writes to; so this has to be first, or they deadlock.
LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE
