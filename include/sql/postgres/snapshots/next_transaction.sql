-- The number that the next transaction gets, or one a little lower, with all of its 64 bits.
SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS number
