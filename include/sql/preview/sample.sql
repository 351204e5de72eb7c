-- Some rows of one window, as the export would write them: each with its version, place and key in front.
COPY (
    SELECT {identity}, {columns} FROM {table} AS target
    WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
    LIMIT %(limit)s
) TO STDOUT (FORMAT csv, HEADER)
