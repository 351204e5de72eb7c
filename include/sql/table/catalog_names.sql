-- Until the end of this transaction, names of types and tables outside pg_catalog come out qualified.
SELECT set_config('search_path', 'pg_catalog', true) AS search_path
