-- Takes a transaction number of its own, so that everybody who began before can be told from those after.
SELECT pg_current_xact_id()::text AS mark
