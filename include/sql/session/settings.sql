-- Pins all that changes how values are written as text or which rows are seen, and the limits of the session.
-- row_security = off makes the server refuse to hide rows instead of hiding them silently. Each statement of a delete
-- batch has to see what was committed before it, whatever isolation the database or role prefers.
SELECT
    set_config('application_name', %(application)s, false) AS application_name,
    set_config('lock_timeout', %(lock_timeout)s, false) AS lock_timeout,
    set_config('statement_timeout', %(statement_timeout)s, false) AS statement_timeout,
    set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, false) AS idle_in_transaction_session_timeout,
    set_config('client_encoding', 'UTF8', false) AS client_encoding,
    set_config('row_security', 'off', false) AS row_security,
    set_config('default_transaction_isolation', 'read committed', false) AS default_transaction_isolation,
    set_config('TimeZone', 'UTC', false) AS TimeZone,
    set_config('DateStyle', 'ISO, YMD', false) AS DateStyle,
    set_config('IntervalStyle', 'postgres', false) AS IntervalStyle,
    set_config('extra_float_digits', '1', false) AS extra_float_digits,
    set_config('bytea_output', 'hex', false) AS bytea_output,
    set_config('xmloption', 'content', false) AS xmloption,
    set_config('lc_monetary', 'C', false) AS lc_monetary,
    set_config('synchronize_seqscans', 'off', false) AS synchronize_seqscans,
    pg_backend_pid() AS process,
    pg_is_in_recovery() AS standby,
    current_setting('server_version_num')::integer AS version
