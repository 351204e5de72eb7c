-- One row for each object that a restore put into a table. Spans are in column time. The archive leaves rows of a
-- span alone until hold_until; a table without a key is not given the same span of the same object twice.
CREATE TABLE archiver.restores (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    bucket text NOT NULL,
    object_key text NOT NULL,
    generation integer NOT NULL,
    target_schema text NOT NULL,
    target_table text NOT NULL,
    target_oid oid NOT NULL,
    span_start timestamp NOT NULL,
    span_end timestamp NOT NULL,
    rows bigint NOT NULL,
    run_id text NOT NULL,
    restored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    hold_until timestamptz
)
