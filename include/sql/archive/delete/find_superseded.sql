-- Those of a batch, by their numbers on the list, which at least so many of the locked newest ones supersede, by the key and
-- version that each has now, and which lie below every bound. Nobody can take one of the locked ones away before this
-- commits, and what others add is only newer. One that is itself among the newest by now stays.
WITH listed AS (
    SELECT places.part, places.place, bool_or(places.is_newest) AS is_newest, max(places.position) AS position
    FROM (
        SELECT newest.part, newest.place, true, NULL::bigint
        FROM unnest(%(parts)s::oid[], %(places)s::tid[]) AS newest (part, place)
        UNION ALL
        SELECT {exported_place}, false, exported.position
        FROM pg_temp.archiver_keys AS exported
        WHERE exported.position > %(after)s AND exported.position <= %(upto)s
    ) AS places (part, place, is_newest, position)
    GROUP BY places.part, places.place
),
judged AS (
    SELECT
        listed.position,
        listed.is_newest,
        (
            {versions/fragments/is_below}
        ) IS TRUE AS is_below,
        count(*) FILTER (WHERE listed.is_newest) OVER (
            PARTITION BY {key} ORDER BY {newest_first} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS newer
    FROM {table} AS target
    JOIN listed ON target.tableoid = listed.part AND target.ctid = listed.place
    WHERE ROW({usable}) IS NOT NULL
)
SELECT
    coalesce(range_agg(int8range(judged.position, judged.position, '[]')), '{{}}')::text AS numbers
FROM judged
WHERE judged.position IS NOT NULL AND NOT judged.is_newest AND judged.is_below AND judged.newer >= %(keep)s
