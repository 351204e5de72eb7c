-- How many of the newest versions are still the ones that were judged, and nobody is changing or deleting them: these are
-- locked to the end of the batch, and whoever deletes or renumbers one waits so long.
SELECT count(*) AS rows
FROM (
    SELECT
    FROM ONLY {table} AS target
    WHERE target.ctid = ANY (%(places)s::tid[]) AND age(target.xmin) > age(%(oldest)s::xid8::xid)
    FOR SHARE OF target SKIP LOCKED
) AS locked
