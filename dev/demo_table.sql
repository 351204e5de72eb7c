-- The table that a policy without `tables` means.
CREATE SCHEMA analytics;
CREATE TABLE analytics.events (
    id serial PRIMARY KEY,
    triggered_at timestamp NOT NULL,
    name text NOT NULL,
    os text,
    platform text NOT NULL,
    device text,
    user_details jsonb NOT NULL,
    data jsonb NOT NULL
);
CREATE INDEX events_triggered_at ON analytics.events (triggered_at);
