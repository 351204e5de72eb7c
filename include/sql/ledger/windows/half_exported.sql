-- The windows within the span whose export another run began and did not finish, for whatever reason.
SELECT DISTINCT cell_start, cell_end
FROM archiver.windows
WHERE
    client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
    AND state = 'planned' AND run_id <> %(run_id)s
    AND span_start >= %(start)s AND span_end <= %(end)s
