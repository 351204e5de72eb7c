-- The promise: the same place, the same version (xmin), the same key, inside the window. A row that was changed
-- since the export has another version; when a concurrent change commits first, the server checks all of this
-- again on the new version, and leaves it. A row to which a child points stays too. What was left is told by its
-- number on the list.
WITH gone AS (
    DELETE FROM {table} AS target
    USING pg_temp.archiver_keys AS exported
    WHERE
        exported.position > %(after)s AND exported.position <= %(upto)s
        AND target.xmin = exported.version
        AND ({target_columns}) = ({exported_columns})
        AND target.{column} >= %(start)s AND target.{column} < %(end)s
        AND {unreferenced}
    RETURNING exported.position
)
SELECT
    (SELECT count(*) FROM gone) AS deleted,
    ARRAY(
        SELECT exported.position FROM pg_temp.archiver_keys AS exported
        WHERE exported.position > %(after)s AND exported.position <= %(upto)s
        EXCEPT
        SELECT gone.position FROM gone
        ORDER BY 1
    ) AS kept
