SELECT count(*) > 0 AS found FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s
