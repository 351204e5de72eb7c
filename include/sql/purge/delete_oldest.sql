-- A batch of a table of which one index leads to the oldest rows, which stands alone, to which nobody points and which has
-- no triggers. Rows that somebody has locked are passed over. Where a change of a row commits in between, the server
-- checks all conditions again on the new version before it locks that; such a row stays for the next batch.
WITH {purge/fragments/held},
oldest AS MATERIALIZED (
    SELECT target.ctid AS place, target.{column} AS moment
    FROM ONLY {table} AS target
    WHERE
        {purge/fragments/is_due}
    ORDER BY target.{column}
    LIMIT %(limit)s
    FOR UPDATE OF target SKIP LOCKED
),
gone AS (
    DELETE FROM ONLY {table} AS target
    USING oldest
    WHERE target.ctid = oldest.place
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM oldest) AS found,
    (SELECT count(*) FROM gone) AS deleted,
    (SELECT min(oldest.moment) FROM oldest) AS first,
    (SELECT max(oldest.moment) FROM oldest) AS last
