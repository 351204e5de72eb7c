-- Pins the limits of a session in which code of users runs, and nothing else: what they wrote is to find the settings of
-- their database. Names mean what these say, so every one here is qualified.
SELECT
    pg_catalog.set_config('lock_timeout', %(lock_timeout)s, false) AS lock_timeout,
    pg_catalog.set_config('statement_timeout', %(statement_timeout)s, false) AS statement_timeout,
    pg_catalog.set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, false)
        AS idle_in_transaction_session_timeout,
    pg_catalog.set_config('idle_session_timeout', '0', false) AS idle_session_timeout,
    pg_catalog.set_config('client_connection_check_interval', %(check_interval)s, false)
        AS client_connection_check_interval,
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', false)
    END AS transaction_timeout
