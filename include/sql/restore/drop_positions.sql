DELETE FROM pg_temp.archiver_staged WHERE {position} = ANY (%(positions)s::bigint[])
