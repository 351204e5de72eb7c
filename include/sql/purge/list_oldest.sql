-- The places of the oldest rows, a batch a line, so that the table is not searched for each batch. By the time a batch has
-- its turn there may be other rows in these places: whether one may go is asked again then.
WITH {purge/fragments/held}
SELECT
    count(*) AS rows,
    array_agg(numbered.part)::text AS parts,
    array_agg(numbered.place)::text AS places,
    min(numbered.moment) AS first,
    max(numbered.moment) AS last
FROM (
    SELECT oldest.part, oldest.place, oldest.moment, row_number() OVER (ORDER BY oldest.moment) - 1 AS number
    FROM (
        SELECT target.tableoid AS part, target.ctid AS place, target.{column} AS moment
        FROM {table} AS target
        WHERE
        {purge/fragments/is_due}
        ORDER BY target.{column}
        LIMIT %(limit)s
        OFFSET %(skip)s
    ) AS oldest
) AS numbered
GROUP BY numbered.number / %(batch_size)s
ORDER BY min(numbered.number)
