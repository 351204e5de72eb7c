-- Runs in the transaction of the restored rows, so there is never one without the other; and like
-- their INSERT it looks nothing up along the database's own search path.
INSERT INTO archiver.restores (
    client, table_schema, table_name, bucket, object_key, generation, target_schema, target_table, target_oid,
    span_start, span_end, rows, positions, run_id, hold_until
)
VALUES (
    %(client)s, %(schema)s, %(table)s, %(bucket)s, %(object_key)s, %(generation)s, %(target_schema)s,
    %(target_table)s, %(target_oid)s, %(span_start)s, %(span_end)s, %(rows)s, %(positions)s::pg_catalog.int8multirange,
    %(run_id)s,
    pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(days => %(hold_days)s::integer)
)
RETURNING pg_catalog.date_part('epoch', hold_until) AS hold_until
