-- What the triggers write, in the transaction that changed the row, and nothing else does: one index and few columns, for
-- others wait for it. Workers take it from here into archiver.events. `operation` is the first letter of INSERT, UPDATE,
-- DELETE, TRUNCATE or SEND. `topic` is the values of the topic's columns, where they are no part of the key.
CREATE TABLE IF NOT EXISTS archiver.incoming_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    binding_id integer NOT NULL,
    operation "char" NOT NULL,
    truncated boolean,
    key jsonb NOT NULL,
    old_key jsonb,
    topic jsonb,
    payload jsonb
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- The queue. `turn` is the order in which events were taken in, one taker at a time: whatever is committed later has a
-- higher one. `topic_hash` keeps the events of a topic in order and in one lane; without it they are free. `available_at`
-- is null for what may run now.
CREATE TABLE IF NOT EXISTS archiver.events (
    id bigint PRIMARY KEY,
    turn bigint GENERATED ALWAYS AS IDENTITY,
    queued_at timestamptz NOT NULL,
    available_at timestamptz,
    topic_hash bigint,
    binding_id integer NOT NULL,
    priority smallint NOT NULL,
    attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    crashes smallint NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    truncated boolean NOT NULL,
    operation text NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'SEND', 'SCHEDULE')),
    topic text NOT NULL,
    key jsonb NOT NULL,
    old_key jsonb,
    payload jsonb,
    last_error text
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX IF NOT EXISTS events_ready ON archiver.events (priority, turn) WHERE available_at IS NULL;

CREATE INDEX IF NOT EXISTS events_later ON archiver.events (available_at) WHERE available_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS events_of_topic ON archiver.events (topic_hash, turn) WHERE topic_hash IS NOT NULL;

CREATE TABLE IF NOT EXISTS archiver.dead_events (
    id bigint PRIMARY KEY,
    queued_at timestamptz NOT NULL,
    binding_id integer NOT NULL,
    attempts smallint NOT NULL,
    crashes smallint NOT NULL,
    truncated boolean NOT NULL,
    operation text NOT NULL,
    topic text NOT NULL,
    key jsonb NOT NULL,
    old_key jsonb,
    payload jsonb,
    last_error text,
    died_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL
);

CREATE INDEX IF NOT EXISTS dead_events_of_binding ON archiver.dead_events (binding_id, died_at);

-- Topics whose first event waits until its next try, so that nobody looks at the others before. An event holds back those
-- behind it by being there; this spares the looking.
CREATE TABLE IF NOT EXISTS archiver.blocked_topics (
    topic_hash bigint PRIMARY KEY,
    event_id bigint NOT NULL,
    until timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS blocked_topics_by_event ON archiver.blocked_topics (event_id);

-- Who works, and on what. A worker lives as long as its session holds the lock of its number; `in_hand` is written by a
-- second session, and says of a dead one which events it died with.
CREATE TABLE IF NOT EXISTS archiver.workers (
    worker_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pid integer NOT NULL DEFAULT pg_backend_pid(),
    host text,
    airflow_run_id text,
    lane integer,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    in_hand bigint[] NOT NULL DEFAULT '{}',
    in_hand_since timestamptz
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS archiver.event_log (
    event_id bigint NOT NULL,
    binding_id integer NOT NULL,
    operation text NOT NULL,
    key jsonb NOT NULL,
    attempt smallint NOT NULL,
    started_at timestamptz NOT NULL,
    took_ms real,
    succeeded boolean NOT NULL,
    err_message text,
    output text,
    worker text
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX IF NOT EXISTS event_log_of_binding ON archiver.event_log (binding_id, started_at);

CREATE INDEX IF NOT EXISTS event_log_of_event ON archiver.event_log (event_id);

-- How far archiver.incoming_events is known to be empty for good: no transaction is left that could still add a number up
-- to `settled`. It becomes `reached` once all those that ran when that was noted, the ones below `horizon`, have ended.
CREATE TABLE IF NOT EXISTS archiver.intake (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    settled bigint NOT NULL DEFAULT 0,
    reached bigint,
    horizon xid8,
    whole_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);

INSERT INTO archiver.intake DEFAULT VALUES ON CONFLICT DO NOTHING;

-- When a worker was last sent for, in milliseconds since 1970. A sequence, since nobody waits for another to set it, and
-- what was rolled back stays set.
CREATE SEQUENCE IF NOT EXISTS archiver.sent_for_workers MINVALUE 0 START 0
