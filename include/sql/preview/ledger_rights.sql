-- Tables of the ledger that this role may not read or fill. Whoever makes them owns them; another role does not.
SELECT format('%%I.%%I', space.nspname, class.relname) AS name
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE
    space.nspname = %(schema)s AND class.relkind = 'r'
    AND NOT (
        has_table_privilege(class.oid, 'SELECT')
        AND has_table_privilege(class.oid, 'INSERT')
        AND has_table_privilege(class.oid, 'UPDATE')
    )
ORDER BY 1
