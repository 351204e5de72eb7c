-- What restores hold for now: rows of these spans stay, in column time. It is read in the snapshot in which rows are chosen,
-- since a restore commits its rows and their hold together.
held AS (
    SELECT pg_catalog.range_agg(pg_catalog.tsrange(restored.span_start, restored.span_end)) AS spans
    FROM archiver.restores AS restored
    WHERE
        restored.table_schema OPERATOR(pg_catalog.=) %(schema)s
        AND restored.table_name OPERATOR(pg_catalog.=) %(name)s
        AND restored.hold_until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
)
