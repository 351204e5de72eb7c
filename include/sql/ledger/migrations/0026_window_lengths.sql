-- How long the windows of a table are whose policy says `window_hours: auto`, in hours, by the rows a day that were there when
-- this was last chosen, and the run that did. The windows tell their lengths themselves; this is what the next ones get.
CREATE TABLE IF NOT EXISTS archiver.window_lengths (
    client text NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    hours integer NOT NULL CHECK (hours BETWEEN 1 AND 168),
    rows_a_day bigint NOT NULL CHECK (rows_a_day >= 0),
    run_id text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (client, table_schema, table_name)
)
