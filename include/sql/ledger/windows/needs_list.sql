-- Whether the rows of a window have to leave by a list next time: of its last two generations that came to an end none could
-- leave whole by ranges of time; or the last one went by the list, and not one row left.
SELECT
    count(*) FILTER (WHERE ended.range_missed) = 2
    OR count(*) FILTER (
        WHERE ended.recency = 1 AND ended.state = 'deleted' AND ended.deleted_rows = 0 AND NOT ended.by_range
    ) = 1 AS found
FROM (
    SELECT
        windows.state, windows.deleted_rows, windows.range_missed, windows.manifest ? 'sub_ranges' AS by_range,
        row_number() OVER (ORDER BY windows.generation DESC) AS recency
    FROM archiver.windows
    WHERE
        client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
        AND cell_start = %(cell_start)s AND cell_end = %(cell_end)s
        AND manifest IS NOT NULL AND state IN ('deleted', 'void')
    ORDER BY generation DESC
    LIMIT 2
) AS ended
