-- How many rows of so recent windows have left. A row that came back and left again counts twice.
SELECT coalesce(sum(deleted_rows), 0)::bigint AS rows
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND cell_start >= %(start)s AND deleted_rows > 0
