INSERT INTO archiver.maintenance (
    client, table_schema, table_name, action, strategy, heap_before, indexes_before, toast_before, run_id
)
VALUES (
    %(client)s, %(schema)s, %(table)s, %(action)s, %(strategy)s, %(heap)s, %(indexes)s, %(toast)s, %(run_id)s
)
RETURNING id
