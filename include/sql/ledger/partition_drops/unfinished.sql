-- Partitions that runs set out to drop and have neither dropped nor attached again.
SELECT
    id, partition_oid AS oid, partition_schema AS schema, partition_name AS name, parent_schema, parent_name,
    span_start, span_end, ARRAY[lower_bound, upper_bound] AS bounds
FROM archiver.partitions
WHERE client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s AND state = 'detaching'
ORDER BY span_start
