-- What the last VACUUM found free, page by page, a little rounded down.
SELECT coalesce(sum({function}(%(oid)s::oid::regclass, block.number)), 0)::bigint AS free
FROM
    generate_series(
        0::bigint, pg_relation_size(%(oid)s::oid) / current_setting('block_size')::integer - 1
    ) AS block (number)
