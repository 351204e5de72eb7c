-- The keys of rows outside the span: an older version of such a row inside of it is history as well.
INSERT INTO pg_temp.archiver_seen ({key})
SELECT {key} FROM pg_temp.archiver_staged
WHERE NOT coalesce({column}::text::timestamp >= %(start)s AND {column}::text::timestamp < %(end)s, false)
