-- Pins all that changes how values are written as text or read, which rows are seen and what names mean, and the
-- limits of the session. It runs at the beginning, and again after user-defined code ran in the session, which may have set
-- any of it; so names may mean anything, and every one here is qualified. row_security = off makes the server refuse to
-- hide rows instead of hiding them. Each statement of a delete batch has to see what was committed before it, whatever
-- isolation the database prefers. A session that is not to write is refused it by the server, whoever asks, a
-- superuser as well. The ledger's triggers ask for archiver.ledger_version, and those of watched tables for
-- archiver.events: what this program deletes, brings back or moves is no change that somebody made.
SELECT
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) AS search_path,
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
    END AS transaction_timeout,
    pg_catalog.set_config('default_transaction_isolation', 'read committed', false) AS default_transaction_isolation,
    pg_catalog.set_config('default_transaction_read_only', %(read_only)s, false) AS default_transaction_read_only,
    pg_catalog.set_config('client_encoding', 'UTF8', false) AS client_encoding,
    pg_catalog.set_config('standard_conforming_strings', 'on', false) AS standard_conforming_strings,
    pg_catalog.set_config('row_security', 'off', false) AS row_security,
    pg_catalog.set_config('TimeZone', 'UTC', false) AS TimeZone,
    pg_catalog.set_config('DateStyle', 'ISO, YMD', false) AS DateStyle,
    pg_catalog.set_config('IntervalStyle', 'postgres', false) AS IntervalStyle,
    pg_catalog.set_config('extra_float_digits', '1', false) AS extra_float_digits,
    pg_catalog.set_config('bytea_output', 'hex', false) AS bytea_output,
    pg_catalog.set_config('xmloption', 'content', false) AS xmloption,
    pg_catalog.set_config('lc_monetary', 'C', false) AS lc_monetary,
    pg_catalog.set_config('array_nulls', 'on', false) AS array_nulls,
    pg_catalog.set_config('quote_all_identifiers', 'off', false) AS quote_all_identifiers,
    pg_catalog.set_config('synchronize_seqscans', 'off', false) AS synchronize_seqscans,
    pg_catalog.set_config('archiver.events', 'off', false) AS events,
    pg_catalog.set_config('archiver.ledger_version', %(ledger_version)s, false) AS ledger_version
