-- Whether the window holds a row to which no child points.
SELECT EXISTS (
    SELECT FROM {table} AS target WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
) AS found
