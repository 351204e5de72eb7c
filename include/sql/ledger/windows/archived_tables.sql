-- The tables of a client of which this ledger knows objects, each with what the manifest of the last window says of it.
-- From table to table along the unique index: a ledger of years has many windows of few tables.
WITH RECURSIVE tables AS (
    (
        SELECT windows.table_schema, windows.table_name
        FROM archiver.windows
        WHERE windows.client = %(client)s
        ORDER BY windows.table_schema, windows.table_name
        LIMIT 1
    )
    UNION ALL
    SELECT following.table_schema, following.table_name
    FROM tables
    CROSS JOIN LATERAL (
        SELECT windows.table_schema, windows.table_name
        FROM archiver.windows
        WHERE
            windows.client = %(client)s
            AND (windows.table_schema, windows.table_name) > (tables.table_schema, tables.table_name)
        ORDER BY windows.table_schema, windows.table_name
        LIMIT 1
    ) AS following
)
SELECT
    tables.table_schema AS schema, tables.table_name AS name, last.bucket,
    last.manifest ->> 'timestamp_column' AS timestamp_column, last.manifest ->> 'timezone' AS timezone
FROM tables
CROSS JOIN LATERAL (
    SELECT windows.bucket, windows.manifest
    FROM archiver.windows
    WHERE
        windows.client = %(client)s
        AND windows.table_schema = tables.table_schema AND windows.table_name = tables.table_name
        AND windows.manifest IS NOT NULL
    ORDER BY windows.cell_start DESC, windows.cell_end DESC, windows.generation DESC
    LIMIT 1
) AS last
ORDER BY tables.table_schema, tables.table_name
