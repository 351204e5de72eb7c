-- Rows of a span that an older version's restore has put into the same target already.
DELETE FROM pg_temp.archiver_staged
WHERE {column}::text::timestamp >= %(start)s AND {column}::text::timestamp < %(end)s
