-- The versions and places of rows that the table holds of a window.
SELECT
    target.xmin::text AS version,
    target.tableoid::text AS part,
    target.ctid::text AS place
FROM {table} AS target
WHERE target.{column} >= %(start)s AND target.{column} < %(end)s
LIMIT %(limit)s
