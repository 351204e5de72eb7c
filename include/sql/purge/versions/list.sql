-- The places of all versions that may go, a batch a line, each with the places of the versions that supersede them: the
-- newest of the same keys. The server works it out once, in one pass, and keeps it aside for the batches. By the time that
-- one has its turn there may be other rows in these places, so all of it is asked again then.
DECLARE superseded NO SCROLL CURSOR WITH HOLD FOR
WITH {purge/fragments/held},
{versions/fragments/ranked_by_key},
due AS MATERIALIZED (
    SELECT
        target.tableoid AS part,
        target.ctid AS place,
        target."part of newest" AS key_part,
        target."place of newest" AS key_place,
        (
            row_number() OVER (
                ORDER BY target."part of newest", target."place of newest", target."rank of version" DESC
            ) - 1
        ) / %(batch_size)s AS batch
    FROM ranked AS target
    WHERE
        target."rank of version" > %(keep)s
        AND {versions/fragments/is_due}
),
kept AS (
    SELECT
        touched.batch,
        array_agg(ranked.tableoid) AS parts,
        array_agg(ranked.ctid) AS places
    FROM (SELECT DISTINCT due.batch, due.key_part, due.key_place FROM due) AS touched
    JOIN ranked ON ranked."part of newest" = touched.key_part AND ranked."place of newest" = touched.key_place
    WHERE ranked."rank of version" <= %(keep)s
    GROUP BY touched.batch
),
going AS (
    SELECT
        due.batch,
        count(*) AS rows,
        array_agg(due.part)::text AS parts,
        array_agg(due.place)::text AS places
    FROM due
    GROUP BY due.batch
)
SELECT
    going.rows,
    going.parts,
    going.places,
    coalesce(kept.parts::text, '{{}}') AS kept_parts,
    coalesce(kept.places::text, '{{}}') AS kept_places
FROM going
LEFT JOIN kept ON kept.batch = going.batch
ORDER BY going.batch
