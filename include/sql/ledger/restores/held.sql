-- Which of several windows hold restored rows that are to stay for now, whoever restored them: by their numbers among them.
SELECT wanted.number
FROM unnest(%(starts)s::timestamp[], %(ends)s::timestamp[]) WITH ORDINALITY AS wanted (cell_start, cell_end, number)
WHERE
    EXISTS (
        SELECT FROM archiver.restores
        WHERE
            table_schema = %(schema)s AND table_name = %(table)s AND hold_until > clock_timestamp()
            AND span_start < wanted.cell_end AND span_end > wanted.cell_start
    )
