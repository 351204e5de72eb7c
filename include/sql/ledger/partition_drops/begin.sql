-- Noted before the detach: whoever comes after a process that died in between knows what it was about.
INSERT INTO archiver.partitions (
    client, table_schema, table_name, partition_oid, partition_schema, partition_name, parent_schema, parent_name,
    span_start, span_end, lower_bound, upper_bound, state, run_id
)
VALUES (
    %(client)s, %(schema)s, %(table)s, %(oid)s, %(partition_schema)s, %(partition_name)s, %(parent_schema)s,
    %(parent_name)s, %(start)s, %(end)s, %(lower)s, %(upper)s, 'detaching', %(run_id)s
)
RETURNING id
