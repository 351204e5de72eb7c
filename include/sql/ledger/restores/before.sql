-- What restores have put of one object into one target: the numbers of the rows, and of those that this run itself put
-- in; of lines of an older version, which have no numbers, their spans and how many rows it were. The object is known by
-- its key without the prefix, since bucket and prefix may have changed. A ledger that is not of this version yet has no
-- numbers at all, hence the way by jsonb.
WITH lines AS (
    SELECT
        line.id, line.rows, line.span_start, line.span_end, line.run_id, line.target_oid = %(target_oid)s AS same,
        to_jsonb(line) ->> 'positions' AS positions
    FROM archiver.restores AS line
    WHERE
        substring(line.object_key FROM '[^/]+$') = %(name)s
        AND line.client = %(client)s AND line.table_schema = %(schema)s AND line.table_name = %(table)s
        AND right(line.object_key, length(%(tail)s)) = %(tail)s
        AND line.target_schema = %(target_schema)s AND line.target_table = %(target_table)s
)
SELECT
    array_agg(positions) FILTER (WHERE same AND positions IS NOT NULL) AS positions,
    array_agg(positions) FILTER (WHERE same AND positions IS NOT NULL AND run_id = %(run_id)s) AS own,
    array_agg(span_start ORDER BY id) FILTER (WHERE same AND positions IS NULL) AS starts,
    array_agg(span_end ORDER BY id) FILTER (WHERE same AND positions IS NULL) AS ends,
    coalesce(sum(rows) FILTER (WHERE same AND positions IS NULL), 0)::bigint AS rows,
    coalesce(bool_or(NOT same), false) AS elsewhere
FROM lines
