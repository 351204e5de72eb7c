-- How many rows the newest generation of each of several windows has, if it is in this state: by their numbers among them.
SELECT wanted.number, latest.rows
FROM unnest(%(starts)s::timestamp[], %(ends)s::timestamp[]) WITH ORDINALITY AS wanted (cell_start, cell_end, number)
CROSS JOIN LATERAL (
    SELECT windows.state, windows.rows
    FROM archiver.windows
    WHERE
        client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
        AND cell_start = wanted.cell_start AND cell_end = wanted.cell_end
    ORDER BY generation DESC
    LIMIT 1
) AS latest
WHERE latest.state = %(state)s
