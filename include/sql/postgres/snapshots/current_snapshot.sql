-- Takes a transaction number of its own, so that transactions that began before can be distinguished from those after.
SELECT pg_current_xact_id()::text AS mark
