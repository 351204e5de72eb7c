-- The table, its partitions and children, as far as they hold rows here, with all that decides whether rows may be
-- moved in them. VACUUM only warns and skips a table for which its privilege is missing, so that is checked here:
-- ownership of the table or the database, or from version 17 on MAINTAIN.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT
    class.oid,
    space.nspname AS schema,
    class.relname AS name,
    class.relkind::text AS kind,
    class.relpersistence::text AS persistence,
    access.amname AS access_method,
    has_schema_privilege(space.oid, 'USAGE') AS may_use,
    row_security_active(class.oid) AS hides_rows,
    {postgres/catalog/fragments/may_maintain} AS may_maintain,
    CASE class.relreplident
        WHEN 'n' THEN false
        WHEN 'd' THEN EXISTS (
            SELECT FROM pg_catalog.pg_index AS index
            WHERE index.indrelid = class.oid AND index.indisprimary AND index.indisvalid
        )
        ELSE true
    END AS is_identified
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_am AS access ON access.oid = class.relam
WHERE class.relkind <> 'p'
ORDER BY space.nspname, class.relname
