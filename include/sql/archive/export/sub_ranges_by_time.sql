-- The window's rows by equal steps of time, in their order, those without rows left out: from when on, how many rows, and
-- whether all of them were made by transactions before the oldest one that ran when the snapshot was taken. A row's number is
-- compared by its age, since it comes round; one that may have come round counts as young.
SELECT
    date_bin(%(width)s::interval, {moment}, %(origin)s::timestamp) AS start,
    count(*) AS rows,
    min(age(target.xmin)) > age(%(oldest)s::xid8::xid) AS is_old
FROM {table} AS target
WHERE {column} >= %(start)s AND {column} < %(end)s
GROUP BY 1
ORDER BY 1
