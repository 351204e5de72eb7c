-- Columns that only children of the table have: a SELECT from the table does not show them, and a DELETE deletes
-- them too.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT format('%%I of %%s', own.attname, own.attrelid::regclass) AS name
FROM family
JOIN pg_catalog.pg_attribute AS own ON own.attrelid = family.oid AND own.attnum > 0 AND NOT own.attisdropped
WHERE
    NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS shared
        WHERE shared.attrelid = %(oid)s AND shared.attname = own.attname AND NOT shared.attisdropped
    )
ORDER BY 1
