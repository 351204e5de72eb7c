-- What is missing in a table that was made for a restore, compared with the original, as statements that add it.
WITH source AS (
    SELECT class.oid, space.nspname, class.relname, format('ALTER TABLE %%I.%%I', %(schema)s::text, %(table)s::text) AS head
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    WHERE class.oid = %(oid)s
),
statements AS (
    SELECT 1 AS place, attnum::bigint AS number, format('%%s ALTER COLUMN %%I SET NOT NULL', head, attname) AS statement
    FROM source
    JOIN pg_catalog.pg_attribute ON attrelid = source.oid
    WHERE attnum > 0 AND NOT attisdropped AND attnotnull AND attname <> ALL (%(key)s::text[])
    UNION ALL
    SELECT
        2, column_.attnum,
        format(
            '%%s ALTER COLUMN %%I SET DEFAULT %%s', head, column_.attname, pg_get_expr(expression.adbin, 0)
        )
    FROM source
    JOIN pg_catalog.pg_attribute AS column_ ON column_.attrelid = source.oid
    JOIN pg_catalog.pg_attrdef AS expression
        ON expression.adrelid = source.oid AND expression.adnum = column_.attnum
    WHERE column_.attgenerated = '' AND NOT column_.attisdropped
    UNION ALL
    SELECT
        3, attnum,
        format(
            '%%s ALTER COLUMN %%I ADD GENERATED %%s AS IDENTITY',
            head, attname, CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END
        )
    FROM source
    JOIN pg_catalog.pg_attribute ON attrelid = source.oid
    WHERE attidentity <> '' AND NOT attisdropped
    UNION ALL
    SELECT
        CASE made.contype WHEN 'f' THEN 6 ELSE 4 END, made.oid::bigint,
        -- The name of one that has an index is the index's, and so the original's.
        format(
            CASE WHEN made.contype IN ('c', 'f') THEN '%%1$s ADD CONSTRAINT %%2$I %%3$s' ELSE '%%1$s ADD %%3$s' END,
            head, made.conname, pg_get_constraintdef(made.oid)
        )
    FROM source
    JOIN pg_catalog.pg_constraint AS made ON made.conrelid = source.oid
    WHERE
        made.contype IN ('c', 'u', 'x', 'f', 'p')
        AND NOT (
            made.contype = 'p' AND %(key)s::text[] @> ARRAY(
                SELECT column_.attname::text FROM pg_catalog.pg_attribute AS column_
                WHERE column_.attrelid = made.conrelid AND column_.attnum = ANY (made.conkey)
            ) AND cardinality(made.conkey) = cardinality(%(key)s::text[])
        )
    UNION ALL
    SELECT
        5, index.indexrelid::bigint,
        format(
            'CREATE %%sINDEX ON %%I.%%I %%s',
            CASE WHEN index.indisunique THEN 'UNIQUE ' ELSE '' END, %(schema)s::text, %(table)s::text,
            substr(
                pg_get_indexdef(index.indexrelid),
                length(
                    format(
                        'CREATE %%sINDEX %%I ON %%s%%I.%%I ',
                        CASE WHEN index.indisunique THEN 'UNIQUE ' ELSE '' END, class.relname,
                        CASE WHEN class.relkind = 'I' THEN 'ONLY ' ELSE '' END, source.nspname, source.relname
                    )
                ) + 1
            )
        )
    FROM source
    JOIN pg_catalog.pg_index AS index ON index.indrelid = source.oid
    JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS made WHERE made.conindid = index.indexrelid AND made.conrelid = source.oid
    )
)
SELECT statement FROM statements ORDER BY place, number
