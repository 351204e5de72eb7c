-- The table by its exact name, with all that may forbid deleting from it.
SELECT
    class.oid,
    class.relkind::text AS kind,
    class.relpersistence::text AS persistence,
    has_schema_privilege(space.oid, 'USAGE') AS may_use,
    has_table_privilege(class.oid, 'SELECT') AS may_select,
    has_table_privilege(class.oid, 'DELETE') AS may_delete,
    has_any_column_privilege(class.oid, 'UPDATE') AS may_lock,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_make_temporary,
    row_security_active(class.oid) AS hides_rows
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = %(schema)s AND class.relname = %(table)s
