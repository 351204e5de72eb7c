-- What was looked at is what is read: nobody puts another relation in its place meanwhile.
LOCK TABLE {table} IN ACCESS SHARE MODE
