-- An index is made by the table's owner, in the table's schema.
SELECT
    pg_has_role(class.relowner, 'USAGE') AS owns,
    pg_get_userbyid(class.relowner) AS owner,
    has_schema_privilege(class.relnamespace, 'CREATE') AS may_create
FROM pg_catalog.pg_class AS class
WHERE class.oid = %(oid)s
