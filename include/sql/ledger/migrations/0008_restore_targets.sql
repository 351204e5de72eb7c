-- The tables that restores made. One of the same name that somebody else made has another oid.
CREATE TABLE archiver.restore_targets (
    target_oid oid PRIMARY KEY,
    target_schema text NOT NULL,
    target_table text NOT NULL,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    run_id text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
