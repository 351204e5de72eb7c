-- A skip scan: the first row at or after a moment, then the first one after the end of that row's cell, and so
-- on. Each step is one probe of the index, so the time grows with the hours that hold rows, not with the rows.
WITH RECURSIVE firsts AS (
    SELECT (
        SELECT min({column}) FROM {table} AS target WHERE {column} >= %(start)s AND {column} < %(end)s
    )::timestamp AS first
    UNION ALL
    SELECT (
        SELECT min({column}) FROM {table} AS target
        WHERE {column} >= date_bin(%(step)s, firsts.first, %(origin)s) + %(step)s AND {column} < %(end)s
    )::timestamp
    FROM firsts
    WHERE firsts.first IS NOT NULL
)
SELECT first FROM firsts WHERE first IS NOT NULL LIMIT %(limit)s
