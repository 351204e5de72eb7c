-- The next of what a run began or ended, whatever its plan says by now, and what is still open of the windows that it planned.
-- `mine` tells that the run itself began or ended it, `latest` that no later generation of the window has come,
-- `stuck` that the last one before that came to an end came to the same one in another run: abandoned, or with every row
-- still there.
SELECT
    run.generation, run.state, run.cell_start, run.cell_end, run.span_start, run.span_end, run.rows, run.csv_bytes,
    run.object_bytes, run.deleted_rows, run.note, run.cause, run.range_missed,
    NOT EXISTS (
        SELECT FROM archiver.windows AS later
        WHERE
            later.client = run.client AND later.table_schema = run.table_schema AND later.table_name = run.table_name
            AND later.cell_start = run.cell_start AND later.cell_end = run.cell_end
            AND later.generation > run.generation
    ) AS latest,
    (
        former.ended_by <> coalesce(run.deleted_by_run_id, run.run_id)
        AND (
            run.cause = 'given up' AND former.cause = 'given up'
            OR run.state = 'deleted' AND run.rows > 0 AND run.deleted_rows = 0
            AND former.state = 'deleted' AND former.rows > 0 AND former.deleted_rows = 0
        )
    ) IS TRUE AS stuck,
    (run.run_id = %(run_id)s OR run.deleted_by_run_id = %(run_id)s) IS TRUE AS mine
FROM archiver.windows AS run
LEFT JOIN LATERAL (
    SELECT ended.*, coalesce(ended.deleted_by_run_id, ended.run_id) AS ended_by
    FROM archiver.windows AS ended
    WHERE
        ended.client = run.client AND ended.table_schema = run.table_schema AND ended.table_name = run.table_name
        AND ended.cell_start = run.cell_start AND ended.cell_end = run.cell_end
        AND ended.generation < run.generation AND (ended.state = 'deleted' OR ended.cause IS NOT NULL)
    ORDER BY ended.generation DESC
    LIMIT 1
) AS former ON true
WHERE
    run.client = %(client)s AND run.table_schema = %(schema)s AND run.table_name = %(table)s
    AND (
        run.run_id = %(run_id)s OR run.deleted_by_run_id = %(run_id)s
        OR (
            run.state IN ('planned', 'exported', 'stored')
            AND run.cell_start >= %(start)s::timestamp AND run.cell_end <= %(end)s::timestamp
        )
    )
    AND (run.cell_start, run.cell_end, run.generation)
    > (%(after_start)s::timestamp, %(after_end)s::timestamp, %(after_generation)s::integer)
ORDER BY run.cell_start, run.cell_end, run.generation
LIMIT %(limit)s
