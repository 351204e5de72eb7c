-- A whole, valid b-tree that begins with the timestamp column: what makes finding hours cheap.
SELECT class.relname AS name
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = index.indrelid AND column_.attnum = index.indkey[0]
WHERE
    index.indrelid = %(oid)s AND column_.attname = %(column)s
    AND index.indisvalid AND index.indpred IS NULL AND method.amname = 'btree'
ORDER BY class.relname
LIMIT 1
