-- Until the end of this transaction names are looked up along this path.
SELECT pg_catalog.set_config('search_path', %(path)s, true) AS search_path
