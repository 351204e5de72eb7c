-- All that has to be known of a table before rows leave it, in one statement: each list of rows as a document, as the
-- fragment of its name gives it.
SELECT
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/columns}
        ) AS found
    ) AS columns,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/references}
        ) AS found
    ) AS pointing,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/delete_rules}
        ) AS found
    ) AS delete_rules,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/parts_not_heap}
        ) AS found
    ) AS parts_not_heap,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/foreign_parts}
        ) AS found
    ) AS foreign_parts,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/columns_of_children}
        ) AS found
    ) AS columns_of_children,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/parts_without_identity}
        ) AS found
    ) AS parts_without_identity,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/identity}
        ) AS found
    ) AS identity,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/timestamp_index}
        ) AS found
    ) AS timestamp_index,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/delete_triggers}
        ) AS found
    ) AS delete_triggers
