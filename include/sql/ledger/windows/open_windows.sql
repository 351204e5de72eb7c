-- What earlier runs began and did not finish, within the span that is due now.
SELECT DISTINCT cell_start, cell_end, span_start, span_end
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND state IN ('planned', 'exported', 'stored')
    AND span_start >= %(start)s AND span_end <= %(end)s
ORDER BY cell_start
