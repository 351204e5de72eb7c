-- Of these objects those that the ledger knows at first hand, wherever it has them. One that was never vouched for may
-- have met another object's manifest under its key, which does not tell the compression.
SELECT
    substr(known.object_key, strpos(known.object_key, %(folder)s)) AS tail,
    known.state = 'void' AND known.etag IS NULL AS never_vouched_for
FROM unnest(%(starts)s::timestamp[], %(ends)s::timestamp[], %(generations)s::integer[])
    AS asked (cell_start, cell_end, generation)
JOIN archiver.windows AS known
    ON known.cell_start = asked.cell_start AND known.cell_end = asked.cell_end AND known.generation = asked.generation
WHERE
    known.client = %(client)s AND known.table_schema = %(schema)s AND known.table_name = %(table)s
    AND known.manifest IS NOT NULL AND known.rebuilt_at IS NULL
