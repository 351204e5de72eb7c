-- The next generations of one table whose objects hold rows that may have left it, the oldest window first, which is the
-- order in which S3 lists them.
SELECT
    {ledger/windows/fragments/generation}
FROM archiver.windows
{ledger/windows/fragments/line}
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND state IN ('stored', 'deleted')
    AND (cell_start, cell_end, generation)
    > (%(after_start)s::timestamp, %(after_end)s::timestamp, %(after_generation)s::integer)
ORDER BY cell_start, cell_end, generation
LIMIT %(limit)s
