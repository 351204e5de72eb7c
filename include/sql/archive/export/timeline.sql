-- The server's timeline, which goes up by one at each promotion and each recovery to a point in time.
SELECT
    ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::integer AS timeline
