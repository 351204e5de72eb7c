-- Restored rows that are to stay for now, within a span, whoever restored them.
SELECT span_start, span_end, max(hold_until) AS hold_until
FROM archiver.restores
WHERE
    table_schema = %(schema)s AND table_name = %(table)s AND hold_until > clock_timestamp()
    AND span_start < %(end)s AND span_end > %(start)s
GROUP BY span_start, span_end
ORDER BY span_start, span_end
