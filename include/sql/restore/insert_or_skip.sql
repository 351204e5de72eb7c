-- A row that is in the table under the same key stays as it is, one that arrives at this very moment too. Whatever else
-- stands in a row's way is reported.
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM pg_temp.archiver_staged
WHERE
    {position} OPERATOR(pg_catalog.>) %(after)s::bigint
    AND {position} OPERATOR(pg_catalog.<=) %(upto)s::bigint
ORDER BY {position}
ON CONFLICT ({key}) DO NOTHING
