-- Without this privilege the sessions of other users show neither their age nor what they hold.
SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS granted
