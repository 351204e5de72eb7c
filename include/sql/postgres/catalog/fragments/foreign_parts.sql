-- Partitions and children that are on another server, where a row's version cannot be seen.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT class.oid::regclass::text AS name
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
WHERE class.relkind = 'f'
ORDER BY 1
