-- Which of several windows have no generation yet, by their numbers among them.
SELECT wanted.number
FROM unnest(%(starts)s::timestamp[], %(ends)s::timestamp[]) WITH ORDINALITY AS wanted (cell_start, cell_end, number)
WHERE
    NOT EXISTS (
        SELECT FROM archiver.windows
        WHERE
            client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
            AND cell_start = wanted.cell_start AND cell_end = wanted.cell_end
    )
