-- What keeps each version, of all that a pass over the table has ranked.
judged AS (
    SELECT
        target.tableoid,
        target.ctid,
        target.xmin,
        {key},
        {moment} AS "moment of version",
        target."rank of version" <= %(keep)s AS "is kept",
        (
            {versions/fragments/is_below}
        ) IS TRUE AS "is below",
        (
            {versions/fragments/is_old}
        ) IS TRUE AS "is old",
        (
            {versions/fragments/is_free}
        ) IS TRUE AS "is free",
        CASE WHEN target."rank of version" > %(keep)s THEN {unreferenced} END IS TRUE AS "is unreferenced"
    FROM ranked AS target
)
