-- Without an index that begins with the timestamp column there is nothing to skip along: read the table once.
SELECT min({column})::timestamp AS first
FROM {table}
WHERE {column} >= %(start)s AND {column} < %(end)s
GROUP BY date_bin(%(step)s, {column}::timestamp, %(origin)s)
ORDER BY 1
LIMIT %(limit)s
