-- As text the value shows column time, whatever the column's type is by now: the session's time zone is UTC.
DELETE FROM pg_temp.archiver_staged
WHERE NOT coalesce({column}::text::timestamp >= %(start)s AND {column}::text::timestamp < %(end)s, false)
