-- Where the policy's own bucket and prefix show the object.
UPDATE pg_temp.archiver_objects SET listed_key = %(prefix)s || tail WHERE tail = ANY (%(tails)s)
