-- The partitions that a run dropped, for its report.
SELECT partition_schema AS schema, partition_name AS name, rows, bytes
FROM archiver.partitions
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s AND run_id = %(run_id)s
    AND state = 'dropped'
ORDER BY span_start
