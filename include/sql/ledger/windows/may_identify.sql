-- Whether the role may ask for the server's system identifier.
SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify
