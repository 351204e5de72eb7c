-- The window's rows by parts of it, in their order: from when on, how many rows, and how many of these may have been made by
-- a transaction that still ran when the snapshot was taken, or is later. A part holds no more rows than a step, or those of
-- a single moment. A row's number is compared by its age, since it comes round; one that may have come round counts as young.
SELECT
    min(numbered.moment) AS start,
    count(*) AS rows,
    count(*) FILTER (WHERE NOT numbered.is_old) AS young
FROM (
    SELECT
        {moment} AS moment,
        age(target.xmin) > age(%(oldest)s::xid8::xid) AS is_old,
        (rank() OVER moments - 1) / %(step)s::bigint AS first_step,
        (count(*) OVER moments - 1) / %(step)s::bigint AS last_step
    FROM {table} AS target
    WHERE {column} >= %(start)s AND {column} < %(end)s
    WINDOW moments AS (ORDER BY target.{column})
) AS numbered
GROUP BY numbered.first_step, numbered.last_step
ORDER BY start
