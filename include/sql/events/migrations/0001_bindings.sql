-- Which changes of which table, or which messages of a channel, make events for which job. A binding with neither is that
-- of its job's own schedule. Its table's owner writes it by archiver.watch; a function of its own, capture_<binding_id>,
-- notes the changes. A job that is gone leaves its bindings, which go on noting, until a job of its name is there again.
-- `enabled` false: nothing more is noted, and what waits waits. `suspended_at`: nothing more is noted, what waits is
-- worked off. `removed_at`: so too, and the row goes with its last event.
CREATE TABLE IF NOT EXISTS archiver.bindings (
    binding_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id integer REFERENCES archiver.jobs ON DELETE SET NULL,
    job_name text NOT NULL,
    source regclass,
    channel text CHECK (channel ~ '^/' AND length(channel) <= 200),
    operations text[] NOT NULL DEFAULT '{INSERT,UPDATE,DELETE}' CHECK (
        operations <@ '{INSERT,UPDATE,DELETE,TRUNCATE}' AND cardinality(operations) > 0
    ),
    changed_columns text[] CHECK (cardinality(changed_columns) > 0),
    topic text NOT NULL DEFAULT '' CHECK (length(topic) <= 1000),
    queue boolean NOT NULL DEFAULT true,
    priority smallint NOT NULL DEFAULT 1,
    key_columns text[] NOT NULL DEFAULT '{}',
    payload_columns text[] NOT NULL DEFAULT '{}',
    merge boolean NOT NULL DEFAULT false,
    delay interval NOT NULL DEFAULT '0' CHECK (delay BETWEEN interval '0' AND interval '1 year'),
    max_attempts smallint NOT NULL DEFAULT 10 CHECK (max_attempts > 0),
    transaction text NOT NULL DEFAULT 'with_event' CHECK (transaction IN ('with_event', 'own')),
    log text NOT NULL DEFAULT 'errors' CHECK (log IN ('none', 'errors', 'all')),
    keep_log interval NOT NULL DEFAULT '7 days' CHECK (keep_log BETWEEN interval '0' AND interval '10 years'),
    keep_dead interval NOT NULL DEFAULT '30 days' CHECK (keep_dead BETWEEN interval '0' AND interval '10 years'),
    max_waiting bigint CHECK (max_waiting > 0),
    enabled boolean NOT NULL DEFAULT true,
    suspended_at timestamptz,
    removed_at timestamptz,
    owner name NOT NULL DEFAULT current_user,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT bindings_one_source CHECK (num_nonnulls(source, channel) <= 1),
    CONSTRAINT bindings_merged_in_order CHECK (queue OR NOT merge)
);

CREATE INDEX IF NOT EXISTS bindings_of_channel ON archiver.bindings (channel) WHERE channel IS NOT NULL;

-- The switch of this database: with `enabled` false no table and no channel makes an event. With `notify` false no
-- transaction of an application sends a notice, and events wait until somebody looks; left open, none does where the
-- server allows prepared transactions, which a notice would make impossible.
CREATE TABLE IF NOT EXISTS archiver.capture (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    enabled boolean NOT NULL DEFAULT true,
    notify boolean
);

INSERT INTO archiver.capture DEFAULT VALUES ON CONFLICT DO NOTHING
