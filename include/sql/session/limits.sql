-- A server that notices within a while that nobody listens any more ends the statement, instead of finishing it.
SELECT
    set_config('client_connection_check_interval', %(check_interval)s, false) AS client_connection_check_interval,
    set_config('lock_timeout', %(lock_timeout)s, false) AS lock_timeout,
    set_config('statement_timeout', %(statement_timeout)s, false) AS statement_timeout
