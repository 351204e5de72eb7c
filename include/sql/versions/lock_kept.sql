-- Those of the newest versions that are still there and that nobody is changing or deleting, locked to the end of the
-- batch: whoever deletes or renumbers one waits so long. One that is locked is passed over, and supersedes nothing then.
SELECT count(*) AS rows, array_agg(locked.part)::text AS parts, array_agg(locked.place)::text AS places
FROM (
    SELECT target.tableoid AS part, target.ctid AS place
    FROM {table} AS target
    JOIN unnest(%(parts)s::oid[], %(places)s::tid[]) AS listed (part, place)
        ON target.tableoid = listed.part AND target.ctid = listed.place
    FOR SHARE OF target SKIP LOCKED
) AS locked
