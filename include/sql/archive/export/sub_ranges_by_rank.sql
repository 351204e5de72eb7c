-- The window's rows by parts of it, in their order: from when on, how many rows, and whether all of them were made by
-- transactions before the oldest one that ran when the snapshot was taken. A part holds no more rows than a step, or those of
-- a single moment. A row's number is compared by its age, since it comes round; one that may have come round counts as young.
SELECT
    min(numbered.moment) AS start,
    count(*) AS rows,
    min(numbered.age) > age(%(oldest)s::xid8::xid) AS is_old
FROM (
    SELECT
        {moment} AS moment,
        age(target.xmin) AS age,
        (rank() OVER moments - 1) / %(step)s::bigint AS first_step,
        (count(*) OVER moments - 1) / %(step)s::bigint AS last_step
    FROM {table} AS target
    WHERE {column} >= %(start)s AND {column} < %(end)s
    WINDOW moments AS (ORDER BY target.{column})
) AS numbered
GROUP BY numbered.first_step, numbered.last_step
ORDER BY start
