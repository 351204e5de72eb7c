-- The same for each cell of the grid, with the first moment of a version that may go, if there is one. What is not old
-- enough, or not in the span that is asked for, is in no cell.
WITH held AS (SELECT %(held)s::pg_catalog.tsmultirange AS spans),
{versions/fragments/ranked},
{versions/fragments/judged}
SELECT
    min("moment of version") FILTER (WHERE {versions/fragments/may_go}) AS first,
    {versions/fragments/causes}
FROM judged
GROUP BY CASE WHEN "is old" THEN date_bin(%(step)s, "moment of version", %(origin)s) END
ORDER BY 1
