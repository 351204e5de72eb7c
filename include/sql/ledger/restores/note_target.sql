INSERT INTO archiver.restore_targets (
    target_oid, target_schema, target_table, client, table_schema, table_name, run_id
)
VALUES (
    %(target_oid)s, %(target_schema)s, %(target_table)s, %(client)s, %(schema)s, %(table)s, %(run_id)s
)
ON CONFLICT (target_oid) DO UPDATE
SET
    target_schema = excluded.target_schema, target_table = excluded.target_table, client = excluded.client,
    table_schema = excluded.table_schema, table_name = excluded.table_name, run_id = excluded.run_id
