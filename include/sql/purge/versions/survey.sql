-- How many versions may go, and what keeps the others: of several causes the first that is named here.
WITH held AS (SELECT %(held)s::pg_catalog.tsmultirange AS spans),
{purge/versions/fragments/ranked},
judged AS (
    SELECT
        target."rank of version" <= %(keep)s AS is_kept,
        (
            {purge/versions/fragments/is_below}
        ) IS TRUE AS is_below,
        (
            {purge/versions/fragments/is_old}
        ) IS TRUE AS is_old,
        (
            {purge/versions/fragments/is_free}
        ) IS TRUE AS is_free,
        CASE WHEN target."rank of version" > %(keep)s THEN {unreferenced} END IS TRUE AS is_unreferenced
    FROM ranked AS target
)
SELECT
    count(*) FILTER (WHERE is_kept) AS by_number,
    count(*) FILTER (WHERE NOT is_kept AND NOT is_below) AS by_bound,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND NOT is_old) AS by_age,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND is_old AND NOT is_free) AS by_hold,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND is_old AND is_free AND NOT is_unreferenced) AS by_children,
    count(*) FILTER (WHERE NOT is_kept AND is_below AND is_old AND is_free AND is_unreferenced) AS due
FROM judged
