-- For a session that is not to write: the server then refuses whatever would, whoever asks it, a superuser as well.
-- Advisory locks and settings are no writes.
SELECT pg_catalog.set_config('default_transaction_read_only', 'on', false) AS read_only
