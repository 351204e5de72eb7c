-- The window's rows, as the server itself writes them; NULL is empty and '' is "".
COPY (
    SELECT {columns} FROM {table} WHERE {column} >= %(start)s AND {column} < %(end)s
) TO STDOUT (FORMAT csv, HEADER)
