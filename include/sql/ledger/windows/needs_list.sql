-- Whether the rows of a window have to leave by a list next time: of its last two generations that came to an end none could
-- leave whole by ranges of time.
SELECT count(*) FILTER (WHERE ended.range_missed) = 2 AS found
FROM (
    SELECT windows.range_missed
    FROM archiver.windows
    WHERE
        client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
        AND cell_start = %(cell_start)s AND cell_end = %(cell_end)s
        AND manifest IS NOT NULL AND state IN ('deleted', 'void')
    ORDER BY generation DESC
    LIMIT 2
) AS ended
