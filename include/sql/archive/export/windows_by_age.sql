-- How many rows each of several windows holds, and whether all of them were made by transactions before the oldest one that
-- ran when the snapshot was taken. As where one window is cut into parts, a number that may have come round counts as young.
SELECT wanted.number, counted.rows, counted.is_old
FROM unnest(%(starts)s, %(ends)s) WITH ORDINALITY AS wanted (starts_at, ends_at, number)
CROSS JOIN LATERAL (
    SELECT count(*) AS rows, min(age(target.xmin)) > age(%(oldest)s::xid8::xid) AS is_old
    FROM {table} AS target
    WHERE target.{column} >= wanted.starts_at AND target.{column} < wanted.ends_at
) AS counted
