-- The same rows' identities and versions, in heap order, in which the deletes will follow.
COPY (
    SELECT {columns} FROM {table} WHERE {column} >= %(start)s AND {column} < %(end)s ORDER BY tableoid, ctid
) TO STDOUT (FORMAT csv, HEADER)
