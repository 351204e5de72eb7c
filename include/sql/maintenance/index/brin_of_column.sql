-- A whole, valid BRIN index that keeps the smallest and largest values of the column for each range of pages: in
-- whatever order its columns stand.
SELECT class.relname AS name
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam AND method.amname = 'brin'
CROSS JOIN LATERAL unnest(index.indkey::smallint[]) WITH ORDINALITY AS key (number, place)
JOIN pg_catalog.pg_attribute AS column_ ON column_.attrelid = index.indrelid AND column_.attnum = key.number
JOIN pg_catalog.pg_opclass AS opclass ON opclass.oid = index.indclass[key.place - 1]
WHERE
    index.indrelid = %(oid)s AND column_.attname = %(column)s
    AND index.indisvalid AND index.indpred IS NULL AND opclass.opcname LIKE '%%minmax%%'
ORDER BY class.relname
LIMIT 1
