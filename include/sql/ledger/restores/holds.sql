-- Restored rows that are to stay for now, within a span, whoever restored them: the hours of a restore of years are one
-- span, held until the last of its holds ends.
WITH held AS (
    SELECT
        span_start, span_end, hold_until,
        max(span_end) OVER (
            ORDER BY span_start, span_end ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
    FROM archiver.restores
    WHERE
        table_schema = %(schema)s AND table_name = %(table)s AND hold_until > clock_timestamp()
        AND span_start < %(end)s AND span_end > %(start)s
),
numbered AS (
    SELECT
        span_start, span_end, hold_until,
        count(*) FILTER (WHERE reached IS NULL OR span_start > reached) OVER (ORDER BY span_start, span_end) AS number
    FROM held
)
SELECT min(span_start) AS span_start, max(span_end) AS span_end, max(hold_until) AS hold_until
FROM numbered
GROUP BY number
ORDER BY 1
