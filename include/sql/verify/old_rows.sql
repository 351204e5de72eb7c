-- How many rows of a time these parts of the table hold whose versions are of before a transaction; compared by age, since
-- numbers come round.
SELECT count(*) AS rows
FROM {table} AS target
WHERE
    target.{column} >= %(start)s AND target.{column} < %(end)s
    AND age(target.xmin) > age(%(oldest)s::xid8::xid)
    AND target.tableoid = ANY(%(parts)s::oid[])
