-- How many rows of a span are due, up to a number; what restores hold is no part of the span.
SELECT count(*) AS rows, min(due.moment) AS first, max(due.moment) AS last
FROM (
    SELECT target.{column} AS moment
    FROM {table} AS target
    WHERE
        target.{column} >= %(first)s
        AND target.{column} < %(end)s
        AND {unreferenced}
    LIMIT %(limit)s
) AS due
