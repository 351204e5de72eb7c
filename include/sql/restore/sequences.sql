-- The sequences that give values to the table's columns: of identities, of serials, and those that defaults name.
SELECT DISTINCT
    column_.attname AS column,
    sequence.oid,
    space.nspname AS schema,
    sequence.relname AS name,
    parameters.seqincrement AS increment,
    has_sequence_privilege(sequence.oid, 'USAGE, SELECT') AS may_read,
    has_sequence_privilege(sequence.oid, 'UPDATE') AS may_set
FROM pg_catalog.pg_depend AS depend
LEFT JOIN pg_catalog.pg_attrdef AS expression
    ON depend.classid = 'pg_attrdef'::regclass AND expression.oid = depend.objid
JOIN pg_catalog.pg_class AS sequence
    ON sequence.relkind = 'S' AND sequence.oid = CASE
        WHEN depend.classid = 'pg_class'::regclass THEN depend.objid
        ELSE depend.refobjid
    END
JOIN pg_catalog.pg_sequence AS parameters ON parameters.seqrelid = sequence.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = sequence.relnamespace
JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = %(oid)s AND NOT column_.attisdropped
    AND column_.attnum = CASE WHEN depend.classid = 'pg_class'::regclass THEN depend.refobjsubid ELSE expression.adnum END
WHERE
    (
        depend.classid = 'pg_class'::regclass AND depend.refclassid = 'pg_class'::regclass
        AND depend.refobjid = %(oid)s AND depend.deptype IN ('a', 'i')
    )
    OR (
        depend.classid = 'pg_attrdef'::regclass AND depend.refclassid = 'pg_class'::regclass
        AND expression.adrelid = %(oid)s
    )
ORDER BY 1, 2
