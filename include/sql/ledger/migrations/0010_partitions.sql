-- One row for each partition that a run set out to drop whole. Bounds are the literals of the partition's own
-- definition, so that it can be attached again as it was. `detaching` is the only state that is not an end.
CREATE TABLE archiver.partitions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    partition_oid oid NOT NULL,
    partition_schema text NOT NULL,
    partition_name text NOT NULL,
    parent_schema text NOT NULL,
    parent_name text NOT NULL,
    span_start timestamp NOT NULL,
    span_end timestamp NOT NULL,
    lower_bound text NOT NULL,
    upper_bound text NOT NULL,
    state text NOT NULL CHECK (state IN ('detaching', 'dropped', 'attached', 'gone')),
    rows bigint,
    bytes bigint,
    note text,
    run_id text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
)
