-- From here on names are looked up along this path: until the end of this transaction, or of the session.
SELECT
    pg_catalog.current_setting('search_path') AS before,
    pg_catalog.set_config('search_path', %(path)s, %(local)s) AS search_path
