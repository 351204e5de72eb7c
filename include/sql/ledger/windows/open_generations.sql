-- The next generations that a drop of a whole partition has to process.
SELECT
    {ledger/windows/fragments/generation}
FROM archiver.windows
{ledger/windows/fragments/line}
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND state IN ('planned', 'exported', 'stored')
    AND cell_start >= %(start)s AND cell_end <= %(end)s
    AND (cell_start, cell_end, generation)
    > (%(after_start)s::timestamp, %(after_end)s::timestamp, %(after_generation)s::integer)
ORDER BY cell_start, cell_end, generation
LIMIT %(limit)s
