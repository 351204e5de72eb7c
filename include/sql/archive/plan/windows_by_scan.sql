-- Without an index that begins with the timestamp column there is nothing to skip along: read the table once.
-- Rows to which a child points are left out.
SELECT min({column})::timestamp AS first
FROM {table} AS target
WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
GROUP BY date_bin(%(step)s, {column}::timestamp, %(origin)s)
ORDER BY 1
LIMIT %(limit)s
