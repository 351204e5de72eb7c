-- All rows of a partition, and those among them that have to stay.
WITH {purge/fragments/held}
SELECT
    count(*) AS rows,
    count(*) FILTER (
        WHERE (
            target.{column} >= %(first)s
            AND target.{column} < %(end)s
            AND NOT coalesce((SELECT held.spans FROM held) @> {moment}, false)
        ) IS NOT TRUE
    ) AS staying
FROM {table} AS target
