-- The skip scan for a table with children: the first row at or after a moment to which none of them points, then the
-- first such row after the end of that row's cell, and so on. Rows that wait are walked over, one probe of each
-- child's index for each.
WITH RECURSIVE firsts AS (
    SELECT (
        SELECT {column} FROM {table} AS target
        WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
        ORDER BY {column} LIMIT 1
    )::timestamp AS first
    UNION ALL
    SELECT (
        SELECT {column} FROM {table} AS target
        WHERE
            {column} >= date_bin(%(step)s, firsts.first, %(origin)s) + %(step)s AND {column} < %(end)s
            AND {unreferenced}
        ORDER BY {column} LIMIT 1
    )::timestamp
    FROM firsts
    WHERE firsts.first IS NOT NULL
)
SELECT first FROM firsts WHERE first IS NOT NULL LIMIT %(limit)s
