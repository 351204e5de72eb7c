-- The window's versions that enough newer ones supersede, wherever those are, and that nothing else keeps; written as
-- in `rows`. They come key by key, so that a batch of the delete concerns few keys.
COPY (
    WITH {versions/fragments/ranked_by_key},
    superseded AS MATERIALIZED (
        SELECT target.tableoid AS part, target.ctid AS place
        FROM ranked AS target
        WHERE
            target."rank of version" > %(keep)s
            AND {versions/fragments/is_below}
            AND {versions/fragments/is_old}
            AND {unreferenced}
        ORDER BY target."part of newest", target."place of newest", target."rank of version" DESC
    )
    SELECT {identity}, {written}
    FROM superseded
    JOIN {table} AS target ON target.tableoid = superseded.part AND target.ctid = superseded.place
) TO STDOUT (FORMAT csv, HEADER)
