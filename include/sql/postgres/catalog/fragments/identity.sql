-- The primary key, or else the narrowest unique index over plain NOT NULL columns that is in force at once. A table's
-- index knows nothing of the rows of its children, unless they are partitions. From Postgres 18 on a column may be NOT
-- NULL for new rows only, by a constraint that was not validated: the older ones may hold NULL.
SELECT
    index.indisprimary AS is_primary,
    array_agg(column_.attname ORDER BY key.place)::text[] AS columns
FROM pg_catalog.pg_index AS index
CROSS JOIN LATERAL unnest(index.indkey::smallint[]) WITH ORDINALITY AS key (number, place)
JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = index.indrelid AND column_.attnum = key.number
WHERE
    index.indrelid = %(oid)s
    AND index.indisunique AND index.indisvalid AND index.indimmediate
    AND index.indpred IS NULL AND index.indexprs IS NULL
    AND key.place <= index.indnkeyatts
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS inherits
        JOIN pg_catalog.pg_class AS class ON class.oid = inherits.inhparent
        WHERE inherits.inhparent = index.indrelid AND class.relkind = 'r'
    )
GROUP BY index.indexrelid, index.indisprimary, index.indnkeyatts
HAVING
    bool_and(
        column_.attnotnull AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS not_null
            WHERE
                not_null.conrelid = column_.attrelid AND not_null.contype = 'n' AND NOT not_null.convalidated
                AND not_null.conkey = ARRAY[column_.attnum]
        )
    )
ORDER BY index.indisprimary DESC, index.indnkeyatts, index.indexrelid
LIMIT 1
