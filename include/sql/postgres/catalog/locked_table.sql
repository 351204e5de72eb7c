-- What a delete looks at under its lock, in one statement: which table has the name now, the columns, the parts that may
-- hold rows of the windows, those on other servers, who points to it, its triggers, and the number that the next
-- transaction gets. Each list of rows is a document, as the fragment of its name gives it.
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
            {postgres/catalog/fragments/columns}
        ) AS found
    ) AS columns,
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
    ) AS foreign_parts,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/references}
        ) AS found
    ) AS pointing,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/delete_triggers}
        ) AS found
    ) AS delete_triggers,
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS next_transaction
