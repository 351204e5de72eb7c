-- The same rows as in `rows`, written in the same way, of one part between two places: to find out which of them the
-- server cannot write.
COPY (
    SELECT {identity}, {columns} FROM {table} AS target
    WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
        AND target.tableoid = %(part)s::oid AND target.ctid > %(after)s::tid AND target.ctid <= %(upto)s::tid
) TO STDOUT (FORMAT csv, HEADER)
