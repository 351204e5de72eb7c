-- The promise: every transaction below the oldest one that ran at the export had ended by then. A version that such a one
-- made and that is still there was there then, with the same timestamp, so it is in the object. A row that was changed since
-- has a version of today; when a concurrent change commits first, the server checks all of this again on that version, and
-- leaves it. That these are all of the rows that the object has of this time, their number says.
-- Numbers come round, so they are compared by age; the caller has made sure, with all 64 bits, that the export's is near.
-- Triggers fire under the database's own search path, so nothing here may be looked up along it.
WITH gone AS (
    DELETE FROM {table} AS target
    WHERE
        target.{column} OPERATOR(pg_catalog.>=) %(start)s
        AND target.{column} OPERATOR(pg_catalog.<) %(end)s
        AND pg_catalog.age(target.xmin) OPERATOR(pg_catalog.>) pg_catalog.age(%(oldest)s::pg_catalog.xid8::pg_catalog.xid)
    RETURNING true
)
SELECT pg_catalog.count(*) AS deleted FROM gone
