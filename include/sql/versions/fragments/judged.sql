-- What keeps each version, of all that a pass over the table has ranked.
judged AS (
    SELECT
        {moment} AS moment,
        target."rank of version" <= %(keep)s AS is_kept,
        (
            {versions/fragments/is_below}
        ) IS TRUE AS is_below,
        (
            {versions/fragments/is_old}
        ) IS TRUE AS is_old,
        (
            {versions/fragments/is_free}
        ) IS TRUE AS is_free,
        CASE WHEN target."rank of version" > %(keep)s THEN {unreferenced} END IS TRUE AS is_unreferenced
    FROM ranked AS target
)
