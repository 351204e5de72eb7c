-- The same, with the place of the newest of its key, by which those of one key are known.
ranked AS MATERIALIZED (
    SELECT
        target.tableoid,
        target.ctid,
        {columns},
        pg_catalog.row_number() OVER newest_first AS "rank of version",
        pg_catalog.first_value(target.tableoid) OVER newest_first AS "part of newest",
        pg_catalog.first_value(target.ctid) OVER newest_first AS "place of newest"
    FROM {table} AS target
    WHERE ROW({usable}) IS NOT NULL
    WINDOW newest_first AS (PARTITION BY {key} ORDER BY {newest_first})
)
