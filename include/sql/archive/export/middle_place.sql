-- The place in the middle of the window's rows between two places of one part.
SELECT (percentile_disc(0.5) WITHIN GROUP (ORDER BY target.ctid))::text AS place
FROM {table} AS target
WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
    AND target.tableoid = %(part)s::oid AND target.ctid > %(after)s::tid AND target.ctid <= %(upto)s::tid
