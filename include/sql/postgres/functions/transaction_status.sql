-- What became of a transaction: committed, aborted or in progress; null if that was too long ago.
SELECT pg_catalog.pg_xact_status(%(name)s::pg_catalog.xid8) AS status
