-- What has become of a partition that a run set out to drop: its name and parent now, and how far the detach is.
SELECT
    space.nspname AS schema,
    class.relname AS name,
    class.relispartition AND NOT coalesce(inherits.inhdetachpending, false) AS attached,
    coalesce(inherits.inhdetachpending, false) AS pending
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhrelid = class.oid AND class.relispartition
WHERE class.oid = %(oid)s
