-- How many due rows the server's planner expects, from statistics alone. EXPLAIN does not run the query.
EXPLAIN (FORMAT json)
SELECT FROM {table} AS target
WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
