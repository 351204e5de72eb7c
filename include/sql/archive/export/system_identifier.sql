SELECT system_identifier::text AS identifier FROM pg_catalog.pg_control_system()
