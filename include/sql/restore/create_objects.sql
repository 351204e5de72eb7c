-- The objects that may hold rows of the span, one line each; `place` is their order, newest versions first.
CREATE TEMPORARY TABLE archiver_objects (
    ledger_id bigint,
    bucket text NOT NULL,
    object_key text NOT NULL,
    tail text NOT NULL PRIMARY KEY,
    listed_key text,
    cell_start timestamp NOT NULL,
    cell_end timestamp NOT NULL,
    span_start timestamp NOT NULL,
    span_end timestamp NOT NULL,
    generation integer NOT NULL,
    kind text NOT NULL,
    system text,
    timeline integer,
    unseen bigint,
    read_at timestamptz NOT NULL,
    shape text NOT NULL,
    noted boolean NOT NULL,
    place bigint
)
