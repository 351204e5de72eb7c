-- The b-trees of the table, of its partitions and children and of their TOAST tables.
WITH RECURSIVE {postgres/catalog/fragments/family},

tables AS (
    SELECT family.oid FROM family
    UNION ALL
    SELECT class.reltoastrelid
    FROM family
    JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
    WHERE class.reltoastrelid <> 0
)

SELECT
    class.oid,
    space.nspname AS schema,
    class.relname AS name,
    index.indisvalid AND index.indisready AS valid,
    pg_relation_size(class.oid) AS bytes
FROM tables
JOIN pg_catalog.pg_index AS index ON index.indrelid = tables.oid
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
WHERE class.relkind = 'i' AND method.amname = 'btree'
ORDER BY space.nspname, class.relname
