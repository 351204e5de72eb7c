-- One row for each time that something was done to a table. Sizes are bytes, those of partitions added up. A row that
-- is still running when the same table's next action begins belongs to a process that died.
CREATE TABLE archiver.maintenance (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    action text NOT NULL CHECK (action IN ('index', 'validate', 'vacuum', 'reclaim')),
    strategy text,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'skipped')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    heap_before bigint,
    indexes_before bigint,
    toast_before bigint,
    heap_after bigint,
    indexes_after bigint,
    toast_after bigint,
    seconds double precision,
    longest_wait_seconds double precision,
    note text,
    run_id text NOT NULL,
    CHECK ((state = 'running') = (ended_at IS NULL))
)
