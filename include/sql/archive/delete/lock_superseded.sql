-- Those of the versions of a batch that may go and that nobody has locked, locked, by their numbers on the list.
SELECT coalesce(range_agg(int8range(locked.position, locked.position, '[]')), '{{}}')::text AS numbers
FROM (
    SELECT exported.position
    FROM {table} AS target
    JOIN pg_temp.archiver_keys AS exported ON ({target_place}) = ({exported_place})
    WHERE
        exported.position > %(after)s AND exported.position <= %(upto)s
        AND %(superseded)s::int8multirange @> exported.position
    FOR UPDATE OF target SKIP LOCKED
) AS locked
