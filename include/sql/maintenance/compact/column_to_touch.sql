-- A column that can be set to itself: not generated, no identity that is always generated, no input of a generated
-- column (which would be computed anew), and one that the role may write; to read a row's place takes SELECT on
-- the whole table. One that no index holds comes first, and among those the narrowest.
SELECT column_.attname AS name
FROM pg_catalog.pg_attribute AS column_
WHERE
    column_.attrelid = %(oid)s AND column_.attnum > 0 AND NOT column_.attisdropped
    AND column_.attgenerated = '' AND column_.attidentity <> 'a'
    AND has_table_privilege(column_.attrelid, 'SELECT')
    AND has_column_privilege(column_.attrelid, column_.attnum, 'UPDATE')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attrdef AS formula
        JOIN pg_catalog.pg_attribute AS generated
            ON generated.attrelid = formula.adrelid AND generated.attnum = formula.adnum AND generated.attgenerated <> ''
        JOIN pg_catalog.pg_depend AS input
            ON
                input.classid = 'pg_catalog.pg_attrdef'::regclass AND input.objid = formula.oid
                AND input.refclassid = 'pg_catalog.pg_class'::regclass AND input.refobjid = formula.adrelid
                AND input.refobjsubid = column_.attnum
        WHERE formula.adrelid = column_.attrelid
    )
ORDER BY
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS index
        WHERE index.indrelid = column_.attrelid AND column_.attnum = ANY(index.indkey::smallint[])
    ),
    CASE WHEN column_.attlen > 0 THEN column_.attlen ELSE 1000 END,
    column_.attnum
LIMIT 1
