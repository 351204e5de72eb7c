-- For each batch of the list its line: the places of the versions that supersede the batch's, the newest of the same keys.
-- The server works it out once, in one pass. What is in these places when a batch has its turn is looked at then.
DECLARE superseded NO SCROLL CURSOR WITH HOLD FOR
WITH {versions/fragments/ranked_by_key},
touched AS (
    SELECT DISTINCT
        (exported.position - %(after)s - 1) / %(batch_size)s AS batch,
        ranked."part of newest" AS part,
        ranked."place of newest" AS place
    FROM pg_temp.archiver_keys AS exported
    JOIN ranked ON (ranked.tableoid, ranked.ctid) = ({exported_place})
    WHERE exported.position > %(after)s
),
newest AS (
    SELECT
        touched.batch,
        array_agg(ranked.tableoid)::text AS parts,
        array_agg(ranked.ctid)::text AS places
    FROM touched
    JOIN ranked ON ranked."part of newest" = touched.part AND ranked."place of newest" = touched.place
    WHERE ranked."rank of version" <= %(keep)s
    GROUP BY touched.batch
)
SELECT coalesce(newest.parts, '{{}}') AS parts, coalesce(newest.places, '{{}}') AS places
FROM generate_series(0, (SELECT (max(position) - %(after)s - 1) / %(batch_size)s FROM pg_temp.archiver_keys)) AS number (batch)
LEFT JOIN newest ON newest.batch = number.batch
ORDER BY number.batch
