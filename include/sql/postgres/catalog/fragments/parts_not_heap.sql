-- Parts of the table that are not kept as a heap: there a row's version and place may mean something else, or nothing.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT class.oid::regclass::text AS part, method.amname AS method
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
WHERE class.relkind = 'r' AND method.amname <> 'heap'
ORDER BY 1
