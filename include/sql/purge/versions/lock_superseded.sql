-- Those versions of a batch that may go and that nobody has locked, locked. Whoever is putting a child under one of them has
-- it locked too; after this nobody can, so that the snapshot of the delete sees every child there is.
WITH {purge/fragments/held}
SELECT count(*) AS rows, array_agg(locked.part)::text AS parts, array_agg(locked.place)::text AS places
FROM (
    SELECT target.tableoid AS part, target.ctid AS place
    FROM {table} AS target
    JOIN unnest(%(parts)s::oid[], %(places)s::tid[]) AS listed (part, place)
        ON target.tableoid = listed.part AND target.ctid = listed.place
    WHERE
        {versions/fragments/is_due}
    FOR UPDATE OF target SKIP LOCKED
) AS locked
