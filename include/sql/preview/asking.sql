-- Who asks and where, with the names quoted as a GRANT would write them. This session itself may be set to read only,
-- so what the database or the role sets is taken from reset_val.
SELECT
    quote_ident(current_user) AS role,
    quote_ident(current_database()) AS database,
    quote_ident(%(schema)s::text) AS schema,
    format('%%I.%%I', %(schema)s::text, %(table)s::text) AS "table",
    quote_ident(%(column)s::text) AS "column",
    has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
    pg_is_in_recovery() AS standby,
    (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only') AS read_only,
    (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'session_replication_role') AS replication_role
