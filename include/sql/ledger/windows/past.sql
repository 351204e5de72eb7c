-- Which server this is, and its timeline, which goes up by one at each promotion and each recovery to a point in time.
SELECT
    system_identifier::text AS identifier,
    ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::integer AS timeline
FROM pg_catalog.pg_control_system()
