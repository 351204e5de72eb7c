-- The same for each cell of the grid, with the first moment of a version that may go, if there is one. What is not old
-- enough, or not in the span that is asked for, is in no cell.
WITH held AS (SELECT %(held)s::pg_catalog.tsmultirange AS spans),
{versions/fragments/ranked},
{versions/fragments/judged}
SELECT
    min(moment) FILTER (WHERE NOT is_kept AND is_below AND is_old AND is_free AND is_unreferenced) AS first,
    {versions/fragments/causes}
FROM judged
GROUP BY CASE WHEN is_old THEN date_bin(%(step)s, moment, %(origin)s) END
ORDER BY 1
