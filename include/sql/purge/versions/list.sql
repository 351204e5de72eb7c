-- The places of all versions that may go, a batch a line, each with the places of the versions that supersede them, the newest
-- of the same keys; and on each line what keeps how many, for which there is a line in any case. The server works it out once,
-- in one pass, and keeps it aside for the batches. By the time that one has its turn there may be other rows in these places,
-- so all of it is asked again then, unless the batch is `settled`: its versions were all made by transactions before the
-- `oldest` that ran, so whatever of that age lies in a place later is the version that was judged here.
-- Keys come by the place of their newest; one of more versions than a batch takes is cut, the oldest first.
DECLARE superseded NO SCROLL CURSOR WITH HOLD FOR
WITH {purge/fragments/held},
{versions/fragments/ranked},
{versions/fragments/judged},
keys AS MATERIALIZED (
    SELECT
        {versions/fragments/causes},
        {versions/fragments/places}
    FROM judged AS target
    GROUP BY {key}
    -- As they come from the ranking, or they would be sorted once more.
    ORDER BY {key_descending}
),
cut AS (
    SELECT
        numbered.*,
        batch.number AS batch,
        greatest(numbered.first, batch.number * %(batch_size)s) - numbered.first AS skipped,
        least(numbered.first + numbered.due, (batch.number + 1) * %(batch_size)s) - numbered.first AS upto
    FROM (
        SELECT
            keys.*,
            sum(keys.due) OVER (
                ORDER BY coalesce(keys.kept_parts[1], keys.parts[1]), coalesce(keys.kept_places[1], keys.places[1])
                ROWS UNBOUNDED PRECEDING
            )::bigint - keys.due AS first
        FROM keys
        WHERE keys.due > 0
    ) AS numbered
    CROSS JOIN generate_series(
        numbered.first / %(batch_size)s, (numbered.first + numbered.due - 1) / %(batch_size)s
    ) AS batch (number)
),
batches AS (
    SELECT
        cut.batch,
        sum(cut.upto - cut.skipped)::bigint AS rows,
        string_agg(btrim(cut.parts[cut.due - cut.upto + 1:cut.due - cut.skipped]::text, '{{}}'), ',') AS parts,
        string_agg(btrim(cut.places[cut.due - cut.upto + 1:cut.due - cut.skipped]::text, '{{}}'), ',') AS places,
        coalesce(sum(cardinality(cut.kept_places)), 0)::bigint AS kept_rows,
        string_agg(btrim(cut.kept_parts::text, '{{}}'), ',') AS kept_parts,
        string_agg(btrim(cut.kept_places::text, '{{}}'), ',') AS kept_places,
        bool_and(cut.settled) AS settled
    FROM cut
    GROUP BY cut.batch
),
counted AS (
    SELECT
        coalesce(sum(keys.by_number), 0)::bigint AS by_number,
        coalesce(sum(keys.by_bound), 0)::bigint AS by_bound,
        coalesce(sum(keys.by_age), 0)::bigint AS by_age,
        coalesce(sum(keys.by_hold), 0)::bigint AS by_hold,
        coalesce(sum(keys.by_children), 0)::bigint AS by_children,
        coalesce(sum(keys.due), 0)::bigint AS due
    FROM keys
)
SELECT
    counted.*,
    coalesce(batches.rows, 0) AS rows,
    '{{' || coalesce(batches.parts, '') || '}}' AS parts,
    '{{' || coalesce(batches.places, '') || '}}' AS places,
    coalesce(batches.kept_rows, 0) AS kept_rows,
    '{{' || coalesce(batches.kept_parts, '') || '}}' AS kept_parts,
    '{{' || coalesce(batches.kept_places, '') || '}}' AS kept_places,
    coalesce(batches.settled, false) AS settled,
    pg_snapshot_xmin(pg_current_snapshot())::text AS oldest
FROM counted
LEFT JOIN batches ON true
ORDER BY batches.batch
