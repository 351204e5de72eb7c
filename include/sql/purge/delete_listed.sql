-- The rows in these places, those that are due. Where a concurrent change commits first, the server checks all of this
-- again on the new version, and leaves it. `last` is where no row of the batch lies beyond, so that parts of the table
-- which hold none are not looked at.
-- Triggers fire under the database's own search path, so nothing here may be looked up along it.
WITH {purge/fragments/held},
gone AS (
    DELETE FROM {table} AS target
    USING ROWS FROM (
        pg_catalog.unnest(%(parts)s::pg_catalog.oid[]), pg_catalog.unnest(%(places)s::pg_catalog.tid[])
    ) AS listed (part, place)
    WHERE
        target.tableoid OPERATOR(pg_catalog.=) listed.part
        AND target.ctid OPERATOR(pg_catalog.=) listed.place
        AND target.{column} OPERATOR(pg_catalog.<=) %(last)s
        AND {purge/fragments/is_due}
    RETURNING 1
)
SELECT pg_catalog.count(*) AS deleted FROM gone
