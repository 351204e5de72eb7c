-- The newest generation of one window.
SELECT
    {ledger/windows/fragments/generation}
FROM archiver.windows
{ledger/windows/fragments/line}
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND cell_start = %(cell_start)s AND cell_end = %(cell_end)s
ORDER BY generation DESC
LIMIT 1
