-- What this role may do in a schema; no row if there is no such schema.
SELECT has_schema_privilege(oid, 'USAGE') AS may_use, has_schema_privilege(oid, 'CREATE') AS may_create
FROM pg_catalog.pg_namespace
WHERE nspname = %(schema)s
