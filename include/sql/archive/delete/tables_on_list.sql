-- The tables of which the list names rows, from a number on.
SELECT DISTINCT exported.{place}::text AS oid FROM pg_temp.archiver_keys AS exported WHERE exported.position > %(after)s
