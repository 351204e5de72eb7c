INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM pg_temp.archiver_staged
WHERE
    {position} OPERATOR(pg_catalog.>) %(after)s::bigint
    AND {position} OPERATOR(pg_catalog.<=) %(upto)s::bigint
ORDER BY {position}
