-- How many versions of the whole table may go, and what keeps the others.
WITH held AS (SELECT %(held)s::pg_catalog.tsmultirange AS spans),
{versions/fragments/ranked},
{versions/fragments/judged}
SELECT
    {versions/fragments/causes}
FROM judged
