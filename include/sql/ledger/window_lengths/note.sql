-- How long the windows of a table are from now on.
INSERT INTO archiver.window_lengths (client, table_schema, table_name, hours, rows_a_day, run_id)
VALUES (%(client)s, %(schema)s, %(table)s, %(hours)s, %(rows_a_day)s, %(run_id)s)
ON CONFLICT (client, table_schema, table_name) DO UPDATE
SET
    hours = excluded.hours, rows_a_day = excluded.rows_a_day, run_id = excluded.run_id,
    noted_at = pg_catalog.clock_timestamp()
