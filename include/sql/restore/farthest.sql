-- The greatest and the least value of a column among the rows that came in.
SELECT max({column})::bigint AS greatest, min({column})::bigint AS least FROM pg_temp.archiver_staged
