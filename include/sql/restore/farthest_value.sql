-- The greatest and the least value of a column among the rows that came in, of those that a sequence can give.
SELECT max({column})::bigint AS greatest, min({column})::bigint AS least
FROM pg_temp.archiver_staged
WHERE {column} BETWEEN -9223372036854775808 AND 9223372036854775807
