-- How many due rows each cell of the grid holds. It reads every one of them, along the index where there is one.
-- Rows to which a child points are left out.
SELECT date_bin(%(step)s, {column}::timestamp, %(origin)s) AS cell, count(*) AS rows
FROM {table} AS target
WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
GROUP BY 1
