-- Relations of schema archiver that have a name of the ledger's and are something else: not a table, or without the columns
-- that the very first version gave it.
SELECT class.relname AS name
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN (
    VALUES
    ('migrations', ARRAY['number', 'name']),
    (
        'windows',
        ARRAY[
            'id', 'client', 'table_schema', 'table_name', 'cell_start', 'cell_end', 'generation', 'state', 'bucket',
            'object_key', 'manifest'
        ]
    )
) AS expected (name, columns) ON expected.name = class.relname
WHERE
    space.nspname = 'archiver'
    AND (
        class.relkind <> 'r'
        OR NOT expected.columns <@ ARRAY(
            SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
        )::text[]
    )
ORDER BY class.relname
