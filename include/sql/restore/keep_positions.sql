DELETE FROM pg_temp.archiver_staged WHERE {position} <> ALL (%(positions)s::bigint[])
