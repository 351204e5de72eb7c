-- The versions in these places that may go: those which at least so many of the locked newest ones supersede, by the key and
-- version that each has now. Nobody can take one of those away before this commits, and what others add is only newer.
-- Servers before 14.20, 15.15, 16.11 and 17.7 do not compare a row's place again after a wait for its lock; who made it, they do.
-- Triggers fire under the database's own search path, so nothing here may be looked up along it.
WITH {purge/fragments/held},
judged AS MATERIALIZED (
    SELECT
        target.tableoid AS part,
        target.ctid AS place,
        target.xmin AS made_by,
        listed.is_kept,
        pg_catalog.count(*) FILTER (WHERE listed.is_kept) OVER (
            PARTITION BY {key} ORDER BY {newest_first} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS newer
    FROM {table} AS target
    JOIN (
        SELECT kept.part, kept.place, true AS is_kept
        FROM ROWS FROM (
            pg_catalog.unnest(%(kept_parts)s::pg_catalog.oid[]), pg_catalog.unnest(%(kept_places)s::pg_catalog.tid[])
        ) AS kept (part, place)
        UNION ALL
        SELECT superseded.part, superseded.place, false
        FROM ROWS FROM (
            pg_catalog.unnest(%(parts)s::pg_catalog.oid[]), pg_catalog.unnest(%(places)s::pg_catalog.tid[])
        ) AS superseded (part, place)
    ) AS listed
        ON target.tableoid OPERATOR(pg_catalog.=) listed.part AND target.ctid OPERATOR(pg_catalog.=) listed.place
    WHERE ROW({usable}) IS NOT NULL
),
gone AS (
    DELETE FROM {table} AS target
    USING judged
    WHERE
        target.tableoid OPERATOR(pg_catalog.=) judged.part
        AND target.ctid OPERATOR(pg_catalog.=) judged.place
        AND target.xmin OPERATOR(pg_catalog.=) judged.made_by
        AND NOT judged.is_kept
        AND judged.newer OPERATOR(pg_catalog.>=) %(keep)s
        AND {versions/fragments/is_due}
    RETURNING pg_catalog.pg_column_size(target.*) AS bytes, target.{version} AS version
)
SELECT
    {purge/versions/fragments/counted}
FROM gone
