-- Once more when rows are gone, and when an export has ended: which table has the name, the parts that may hold rows of
-- the windows, and those on other servers.
SELECT
    (
        SELECT class.oid
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        WHERE space.nspname = %(schema)s AND class.relname = %(table)s
    ) AS named,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/parts_of_windows}
        ) AS found
    ) AS parts,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/foreign_parts}
        ) AS found
    ) AS foreign_parts
