-- For each of some windows, by its number among them, the parts of the table that may hold rows of it.
SELECT span.number, part.oid, part.schema, part.name, part.file_node, part.columns
FROM unnest(%(starts)s::timestamp[], %(ends)s::timestamp[]) WITH ORDINALITY AS span (starts_at, ends_at, number)
CROSS JOIN LATERAL (
    {postgres/catalog/fragments/parts}
) AS part
