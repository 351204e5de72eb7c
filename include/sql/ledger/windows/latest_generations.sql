-- The newest generation of each of several windows that has one.
SELECT
    {ledger/windows/fragments/generation}
FROM unnest(%(starts)s::timestamp[], %(ends)s::timestamp[]) AS wanted (cell_start, cell_end)
CROSS JOIN LATERAL (
    SELECT *
    FROM archiver.windows
    WHERE
        client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
        AND cell_start = wanted.cell_start AND cell_end = wanted.cell_end
    ORDER BY generation DESC
    LIMIT 1
) AS windows
{ledger/windows/fragments/line}
