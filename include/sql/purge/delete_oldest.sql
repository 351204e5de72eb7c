-- A batch of a table of which an index leads to the oldest rows, which stands alone, to which nobody points and which has
-- no triggers: if that is still so. The statement locks the table before it looks, so that nobody can change that until
-- the batch commits. Rows that somebody has locked are passed over. Where a change of a row commits in between, the server
-- checks all conditions again on the new version before it locks that; such a row stays for the next batch.
WITH RECURSIVE {postgres/catalog/fragments/family},
{purge/fragments/state},
{purge/fragments/held},
oldest AS MATERIALIZED (
    SELECT target.ctid AS place, target.{column} AS moment
    FROM ONLY {table} AS target
    WHERE
        (SELECT state.digest FROM state) = %(state)s
        AND {purge/fragments/is_due}
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
    (SELECT state.digest FROM state) = %(state)s AS unchanged,
    (SELECT count(*) FROM oldest) AS found,
    (SELECT count(*) FROM gone) AS deleted,
    (SELECT max(oldest.moment) FROM oldest) AS last
