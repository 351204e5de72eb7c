-- Reads what the database, the role or the connection prefers, before any of it is pinned. Until then names may mean
-- anything, so every one here is qualified. The encoding comes first: without it names would not arrive as text.
SELECT
    pg_catalog.set_config('client_encoding', 'UTF8', false) AS client_encoding,
    pg_catalog.current_setting('search_path') AS users_path,
    pg_catalog.set_config('application_name', %(application)s, false) AS application_name,
    pg_catalog.pg_is_in_recovery() AS standby,
    pg_catalog.current_setting('default_transaction_read_only') AS read_only,
    pg_catalog.current_setting('session_replication_role') AS replication_role,
    pg_catalog.current_setting('synchronous_commit') AS synchronous_commit,
    EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger AS trigger WHERE trigger.evtenabled OPERATOR(pg_catalog.<>) 'D'
    ) AS event_triggers
