-- Partitions, at any depth, above which every level is divided by ranges of the timestamp column alone: a row of the
-- span can be nowhere else. With what forbids dropping one: a DROP reaches neither triggers nor subscribers.
WITH RECURSIVE tree AS (
    SELECT %(oid)s::oid AS oid, NULL::oid AS parent, ARRAY[]::oid[] AS above, NULL::oid AS type, false AS alone
    UNION ALL
    SELECT inherits.inhrelid, tree.oid, tree.above || tree.oid, column_.atttypid, divided.partdefid = 0
    FROM tree
    JOIN pg_catalog.pg_partitioned_table AS divided ON divided.partrelid = tree.oid
    JOIN pg_catalog.pg_attribute AS column_ ON column_.attrelid = tree.oid AND column_.attnum = divided.partattrs[0]
    JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = tree.oid
    WHERE divided.partstrat = 'r' AND divided.partnatts = 1 AND column_.attname = %(column)s
        AND NOT inherits.inhdetachpending
),

ranges AS (
    SELECT
        tree.*,
        class.relname,
        class.relnamespace,
        class.relowner,
        regexp_match(
            pg_get_expr(class.relpartbound, class.oid), '^FOR VALUES FROM \(''([^'']+)''\) TO \(''([^'']+)''\)$'
        ) AS bounds,
        ARRAY(SELECT relid::oid FROM pg_partition_tree(class.oid)) AS parts
    FROM tree
    JOIN pg_catalog.pg_class AS class ON class.oid = tree.oid
    WHERE tree.parent IS NOT NULL
),

spans AS (
    SELECT
        ranges.*,
        CASE
            WHEN type = 'timestamptz'::regtype THEN bounds[1]::timestamptz AT TIME ZONE 'UTC' ELSE bounds[1]::timestamp
        END AS span_start,
        CASE
            WHEN type = 'timestamptz'::regtype THEN bounds[2]::timestamptz AT TIME ZONE 'UTC' ELSE bounds[2]::timestamp
        END AS span_end
    FROM ranges
    WHERE bounds IS NOT NULL
)

SELECT
    spans.oid,
    space.nspname AS schema,
    spans.relname AS name,
    parent_space.nspname AS parent_schema,
    parent_class.relname AS parent_name,
    spans.above,
    spans.span_start,
    spans.span_end,
    spans.bounds,
    spans.alone,
    CASE
        WHEN NOT (pg_has_role(spans.relowner, 'USAGE') AND pg_has_role(parent_class.relowner, 'USAGE'))
            THEN 'the role owns neither or only one of it and its parent'
        WHEN EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS trigger
            WHERE trigger.tgrelid = ANY(spans.above || spans.parts)
                AND NOT trigger.tgisinternal AND trigger.tgenabled IN ('O', 'A') AND trigger.tgtype & 8 <> 0
        ) THEN 'its delete triggers would not fire'
        WHEN EXISTS (
            SELECT FROM pg_catalog.pg_publication_tables AS published
            JOIN pg_catalog.pg_publication AS publication ON publication.pubname = published.pubname
            JOIN pg_catalog.pg_namespace AS place ON place.nspname = published.schemaname
            JOIN pg_catalog.pg_class AS class ON class.relnamespace = place.oid AND class.relname = published.tablename
            WHERE publication.pubdelete AND class.oid = ANY(spans.above || spans.parts)
        ) THEN 'its subscribers would keep the rows'
        WHEN EXISTS (
            SELECT FROM pg_catalog.pg_depend AS depend
            LEFT JOIN pg_catalog.pg_constraint AS key_
                ON depend.classid = 'pg_constraint'::regclass AND key_.oid = depend.objid
            WHERE depend.refclassid = 'pg_class'::regclass AND depend.refobjid = ANY(spans.parts)
                AND depend.deptype = 'n' AND key_.conrelid <> ALL(spans.parts) IS NOT FALSE
                AND NOT (depend.classid = 'pg_class'::regclass AND depend.objid = ANY(spans.parts))
        ) THEN 'views or foreign keys name it'
        WHEN EXISTS (
            SELECT FROM pg_catalog.pg_class AS part
            JOIN pg_catalog.pg_type AS row_type ON row_type.oid = part.reltype
            JOIN pg_catalog.pg_depend AS depend
                ON depend.refclassid = 'pg_type'::regclass AND depend.refobjid IN (row_type.oid, row_type.typarray)
            WHERE part.oid = ANY(spans.parts) AND row_type.oid <> 0 AND depend.refobjid <> 0 AND depend.deptype = 'n'
        ) THEN 'something uses its row type'
        WHEN EXISTS (
            SELECT FROM pg_catalog.pg_depend AS owned
            JOIN pg_catalog.pg_class AS sequence ON sequence.oid = owned.objid AND sequence.relkind = 'S'
            JOIN pg_catalog.pg_depend AS depend
                ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = sequence.oid
            LEFT JOIN pg_catalog.pg_attrdef AS value_
                ON depend.classid = 'pg_attrdef'::regclass AND value_.oid = depend.objid
            WHERE owned.classid = 'pg_class'::regclass AND owned.refclassid = 'pg_class'::regclass
                AND owned.refobjid = ANY(spans.parts) AND owned.deptype IN ('a', 'i')
                AND depend.deptype = 'n' AND value_.adrelid <> ALL(spans.parts) IS NOT FALSE
        ) THEN 'others use a sequence that it owns'
    END AS hindrance
FROM spans
JOIN pg_catalog.pg_namespace AS space ON space.oid = spans.relnamespace
JOIN pg_catalog.pg_class AS parent_class ON parent_class.oid = spans.parent
JOIN pg_catalog.pg_namespace AS parent_space ON parent_space.oid = parent_class.relnamespace
WHERE spans.span_start >= %(start)s AND spans.span_end <= %(end)s
ORDER BY spans.span_start, cardinality(spans.above), spans.oid
