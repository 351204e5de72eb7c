-- The window's rows as the server itself writes them (NULL is empty, '' is ""), each with its version, place and
-- key in front where they are listed. Both halves come out of one scan, so what is said of a row is said of that very row.
-- Rows to which a child still points are left out.
COPY (
    SELECT {columns} FROM {table} AS target
    WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
) TO STDOUT (FORMAT csv, HEADER)
