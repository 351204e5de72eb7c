-- Every version of every key, the newest first. A row without a key or a version is none of them.
ranked AS (
    SELECT
        target.tableoid,
        target.ctid,
        target.xmin,
        {columns},
        pg_catalog.row_number() OVER (PARTITION BY {key} ORDER BY {newest_first}) AS "rank of version"
    FROM {table} AS target
    WHERE ROW({usable}) IS NOT NULL
)
