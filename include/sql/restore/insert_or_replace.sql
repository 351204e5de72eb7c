-- Of two rows under one key, the one with the later timestamp stays. Triggers fire under the database's own search
-- path, so nothing here may be looked up along it.
INSERT INTO {table} AS live ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM pg_temp.archiver_staged
WHERE
    {position} OPERATOR(pg_catalog.>) %(after)s::bigint
    AND {position} OPERATOR(pg_catalog.<=) %(upto)s::bigint
ORDER BY {position}
ON CONFLICT ({key}) DO UPDATE SET ({changed}) = ROW ({excluded})
WHERE {excluded_column} OPERATOR(pg_catalog.>) {live_column}
