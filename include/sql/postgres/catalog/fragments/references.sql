-- The foreign keys that point to this table, or to one of its partitions and children: each once, without the copies
-- that the server keeps for partitions. With the very operators and collations by which it tells who points to whom.
WITH RECURSIVE {postgres/catalog/fragments/family},
found AS (
    SELECT key.* FROM pg_catalog.pg_constraint AS key JOIN family ON key.confrelid = family.oid WHERE key.contype = 'f'
),
-- The table that holds the key, and those of which it is a partition or child: a policy may list any of these.
line AS (
    SELECT found.oid AS key, found.conrelid AS oid FROM found
    UNION
    SELECT line.key, inherits.inhparent
    FROM pg_catalog.pg_inherits AS inherits
    JOIN line ON inherits.inhrelid = line.oid
),
named AS (
    SELECT line.key, jsonb_agg(jsonb_build_array(space.nspname, class.relname)) AS tables
    FROM line
    JOIN pg_catalog.pg_class AS class ON class.oid = line.oid
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    GROUP BY line.key
)
SELECT
    found.conname AS name,
    space.nspname AS schema,
    class.relname AS table,
    named.tables,
    found.confdeltype::text AS action,
    has_schema_privilege(space.oid, 'USAGE')
        AND has_table_privilege(class.oid, 'SELECT')
        AND NOT row_security_active(class.oid) AS may_read,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS index
        WHERE index.indrelid = found.conrelid AND index.indisvalid AND index.indkey[0] = ANY (found.conkey)
    ) AS indexed,
    EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS attribute
        WHERE
            attribute.attrelid = found.conrelid AND attribute.attnum > 0 AND NOT attribute.attisdropped
            AND attribute.atttypid IN (
                'date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype
            )
    ) AS timed,
    pairs.own_columns,
    pairs.columns,
    pairs.operators,
    pairs.collations
FROM found
JOIN pg_catalog.pg_class AS class ON class.oid = found.conrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN named ON named.key = found.oid
CROSS JOIN LATERAL (
    SELECT
        array_agg(own.attname::text ORDER BY part.place) AS own_columns,
        array_agg(other.attname::text ORDER BY part.place) AS columns,
        jsonb_agg(jsonb_build_array(operator_space.nspname, operator.oprname) ORDER BY part.place) AS operators,
        jsonb_agg(
            CASE
                WHEN own.attcollation <> other.attcollation
                THEN jsonb_build_array(collation_space.nspname, collation_.collname)
            END
            ORDER BY part.place
        ) AS collations
    FROM unnest(found.confkey, found.conkey, found.conpfeqop) WITH ORDINALITY AS part (own, other, operator, place)
    JOIN pg_catalog.pg_attribute AS own ON own.attrelid = found.confrelid AND own.attnum = part.own
    JOIN pg_catalog.pg_attribute AS other ON other.attrelid = found.conrelid AND other.attnum = part.other
    JOIN pg_catalog.pg_operator AS operator ON operator.oid = part.operator
    JOIN pg_catalog.pg_namespace AS operator_space ON operator_space.oid = operator.oprnamespace
    LEFT JOIN pg_catalog.pg_collation AS collation_ ON collation_.oid = own.attcollation
    LEFT JOIN pg_catalog.pg_namespace AS collation_space ON collation_space.oid = collation_.collnamespace
) AS pairs
WHERE NOT EXISTS (SELECT FROM found AS whole WHERE whole.oid = found.conparentid)
ORDER BY schema, class.relname, found.conname
