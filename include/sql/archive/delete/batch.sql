-- The promise: the same place, the same version (xmin), the same key, inside the window. A row that was changed
-- since the export has another version; when a concurrent change commits first, the server checks all of this
-- again on the new version, and leaves it. A row to which a child points stays too, and where versions
-- are kept one that is not superseded. What was left is returned by its
-- number on the list, as ranges.
-- The bounds come with the column's own type, so that a trigger that sets the time zone moves no bound of this statement.
-- Triggers fire under the database's own search path, so nothing here may be looked up along it.
WITH gone AS (
    DELETE FROM {table} AS target
    USING pg_temp.archiver_keys AS exported
    WHERE
        exported.position OPERATOR(pg_catalog.>) %(after)s::bigint
        AND exported.position OPERATOR(pg_catalog.<=) %(upto)s::bigint
        AND target.xmin OPERATOR(pg_catalog.=) exported.version
        AND ({target_place}) OPERATOR(pg_catalog.=) ({exported_place})
        AND {same_key}
        AND target.{column} OPERATOR(pg_catalog.>=) %(start)s
        AND target.{column} OPERATOR(pg_catalog.<) %(end)s
        AND {unreferenced}
        AND (
            %(superseded)s::pg_catalog.int8multirange IS NULL
            OR %(superseded)s::pg_catalog.int8multirange OPERATOR(pg_catalog.@>) exported.position
        )
    RETURNING exported.position
),
counted AS (
    SELECT pg_catalog.count(*) AS deleted FROM gone
)
SELECT
    counted.deleted,
    coalesce(
        CASE
            WHEN
                counted.deleted
                OPERATOR(pg_catalog.<) (%(upto)s::bigint OPERATOR(pg_catalog.-) %(after)s::bigint)
                THEN (
                    SELECT pg_catalog.range_agg(pg_catalog.int8range(stayed.position, stayed.position, '[]'))
                    FROM (
                        SELECT exported.position FROM pg_temp.archiver_keys AS exported
                        WHERE
                            exported.position OPERATOR(pg_catalog.>) %(after)s::bigint
                            AND exported.position OPERATOR(pg_catalog.<=) %(upto)s::bigint
                        EXCEPT
                        SELECT gone.position FROM gone
                    ) AS stayed
                )
        END,
        '{{}}'::pg_catalog.int8multirange
    )::pg_catalog.text AS kept
FROM counted
