-- How many rows each of several windows holds, as far as they are few: so many more than `most` are not told apart.
SELECT wanted.number, counted.rows
FROM unnest(%(starts)s, %(ends)s) WITH ORDINALITY AS wanted (starts_at, ends_at, number)
CROSS JOIN LATERAL (
    SELECT count(*) AS rows
    FROM (
        SELECT FROM {table} AS target
        WHERE target.{column} >= wanted.starts_at AND target.{column} < wanted.ends_at
        LIMIT %(most)s::bigint + 1
    ) AS found
) AS counted
