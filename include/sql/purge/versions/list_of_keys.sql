-- The places of the versions of these keys that may go, so many at most, the oldest first, with the places of the versions
-- that supersede them: the newest of the same keys. A key that is named twice is one. `settled` and `oldest` are as in
-- `list`.
WITH {purge/fragments/held},
ranked AS MATERIALIZED (
    SELECT
        target.tableoid,
        target.ctid,
        target.xmin,
        {columns},
        row_number() OVER (PARTITION BY {key} ORDER BY {newest_first}) AS "rank of version",
        dense_rank() OVER (ORDER BY {key}) AS "number of key"
    FROM {table} AS target
    WHERE
        ROW({usable}) IS NOT NULL
        AND ({key}) IN (SELECT {wanted} FROM jsonb_to_recordset(%(keys)s::jsonb) AS wanted ({key_types}))
),
due AS MATERIALIZED (
    SELECT
        target.tableoid AS part,
        target.ctid AS place,
        target."number of key" AS key
    FROM ranked AS target
    WHERE
        target."rank of version" > %(keep)s
        AND {versions/fragments/is_due}
    ORDER BY target."number of key", target."rank of version" DESC
    LIMIT %(most)s
),
kept AS (
    SELECT
        count(*) AS rows,
        coalesce(array_agg(ranked.tableoid)::text, '{{}}') AS parts,
        coalesce(array_agg(ranked.ctid)::text, '{{}}') AS places
    FROM ranked
    WHERE ranked."rank of version" <= %(keep)s AND ranked."number of key" IN (SELECT due.key FROM due)
),
going AS (
    SELECT
        count(*) AS rows,
        coalesce(array_agg(due.part)::text, '{{}}') AS parts,
        coalesce(array_agg(due.place)::text, '{{}}') AS places
    FROM due
)
SELECT
    going.rows,
    going.parts,
    going.places,
    kept.rows AS kept_rows,
    kept.parts AS kept_parts,
    kept.places AS kept_places,
    (
        SELECT coalesce(bool_and(age(ranked.xmin) > age((SELECT pg_snapshot_xmin(pg_current_snapshot())::xid))), true)
        FROM ranked
    ) AS settled,
    pg_snapshot_xmin(pg_current_snapshot())::text AS oldest
FROM going, kept
