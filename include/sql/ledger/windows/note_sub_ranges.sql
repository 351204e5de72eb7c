-- Runs in the transaction of a delete by range, and like it looks nothing up along the database's own search path.
-- A sub-range that is noted already makes the second of two processes find no row and roll its batch back.
UPDATE archiver.windows
SET
    deleted_rows = deleted_rows OPERATOR(pg_catalog.+) %(deleted)s::bigint,
    sub_ranges_gone =
        coalesce(sub_ranges_gone, '{{}}'::pg_catalog.int4multirange)
        OPERATOR(pg_catalog.+) %(gone)s::pg_catalog.int4multirange,
    deleted_by_run_id = %(run_id)s
WHERE
    id OPERATOR(pg_catalog.=) %(id)s::bigint
    AND state OPERATOR(pg_catalog.=) 'stored'
    AND deleted_upto OPERATOR(pg_catalog.=) 0::bigint
    AND (
        coalesce(sub_ranges_gone, '{{}}'::pg_catalog.int4multirange)
        OPERATOR(pg_catalog.&&) %(gone)s::pg_catalog.int4multirange
    ) IS FALSE
RETURNING pg_catalog.set_config('synchronous_commit', %(commit)s, true)
