-- Runs in the transaction of the delete batch, and like it looks nothing up along the database's own search path.
-- The old position in the condition makes a batch count once, even when two processes try it at the same moment: the
-- second finds no row and rolls its batch back.
-- The rows that were kept are listed one by one only as long as they are few: a longer list would be rewritten by
-- each batch. Where rows left by ranges of time, their places on the list say nothing of which did.
UPDATE archiver.windows
SET
    deleted_upto = %(upto)s,
    deleted_rows = deleted_rows OPERATOR(pg_catalog.+) %(deleted)s::bigint,
    kept = CASE
        WHEN %(kept_rows)s::bigint OPERATOR(pg_catalog.=) 0 THEN kept
        ELSE
            coalesce(kept, '{{}}'::pg_catalog.int8multirange)
            OPERATOR(pg_catalog.+) coalesce(
                (
                    SELECT pg_catalog.range_agg(pg_catalog.int8range(listed.number, listed.number, '[]'))
                    FROM pg_catalog.unnest(kept_positions) AS listed (number)
                ),
                '{{}}'::pg_catalog.int8multirange
            )
            OPERATOR(pg_catalog.+) %(kept)s::pg_catalog.int8multirange
    END,
    kept_positions = CASE
        WHEN %(kept_rows)s::bigint OPERATOR(pg_catalog.=) 0 THEN kept_positions
        WHEN
            pg_catalog.cardinality(kept_positions) OPERATOR(pg_catalog.+) %(kept_rows)s::bigint
            OPERATOR(pg_catalog.<=) %(most_listed)s::bigint
            THEN
                pg_catalog.array_cat(
                    kept_positions,
                    ARRAY(
                        SELECT listed.number
                        FROM
                            pg_catalog.unnest(%(kept)s::pg_catalog.int8multirange) AS part (numbers),
                            pg_catalog.generate_series(
                                pg_catalog.lower(part.numbers),
                                pg_catalog.upper(part.numbers) OPERATOR(pg_catalog.-) 1::bigint
                            ) AS listed (number)
                        ORDER BY listed.number
                    )
                )
    END,
    deleted_by_run_id = %(run_id)s
WHERE
    id OPERATOR(pg_catalog.=) %(id)s::bigint
    AND state OPERATOR(pg_catalog.=) 'stored'
    AND deleted_upto OPERATOR(pg_catalog.=) %(after)s::bigint
    AND sub_ranges_gone IS NULL
RETURNING pg_catalog.set_config('synchronous_commit', %(commit)s, true)
