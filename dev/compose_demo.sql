-- The client databases of the profile `demo` in docker-compose.yaml, for psql: three weeks of events, one every ten
-- minutes, for each client of the shipped include/policies.yaml.
CREATE DATABASE acme;
\connect acme
CREATE SCHEMA analytics;
CREATE TABLE analytics.events (
    id serial PRIMARY KEY,
    triggered_at timestamp NOT NULL,
    name text NOT NULL,
    data jsonb NOT NULL
);
CREATE INDEX events_triggered_at ON analytics.events (triggered_at);
INSERT INTO analytics.events (triggered_at, name, data)
SELECT
    now() AT TIME ZONE 'UTC' - minutes * interval '1 minute',
    'page_view',
    jsonb_build_object('minutes', minutes, 'visitor', md5(minutes::text))
FROM generate_series(21 * 24 * 60, 0, -10) AS minutes;

\connect postgres
CREATE DATABASE globex TEMPLATE acme;
CREATE DATABASE initech TEMPLATE acme;
CREATE DATABASE umbrella TEMPLATE acme;
CREATE DATABASE pgbench TEMPLATE acme;

\connect pgbench
CREATE TABLE public.pgbench_history (
    tid integer,
    bid integer,
    aid integer,
    delta integer,
    mtime timestamp,
    filler character (22)
);
INSERT INTO public.pgbench_history (tid, bid, aid, delta, mtime)
SELECT
    1,
    1,
    id,
    100,
    triggered_at
FROM analytics.events;
CREATE TABLE analytics.clicks (
    id serial PRIMARY KEY,
    event_id integer NOT NULL REFERENCES analytics.events ON DELETE CASCADE,
    triggered_at timestamp NOT NULL
);
CREATE INDEX clicks_triggered_at ON analytics.clicks (triggered_at);
CREATE INDEX clicks_event_id ON analytics.clicks (event_id);
INSERT INTO analytics.clicks (event_id, triggered_at)
SELECT
    id,
    triggered_at
FROM analytics.events
WHERE id % 10 = 0;

-- The logins of procedures and of functions, and the procedure of the job that include/policies.yaml lists for acme.
\getenv password POSTGRES_PASSWORD
\if :{?password}
    CREATE ROLE app_procedures LOGIN PASSWORD :'password';
    CREATE ROLE app_functions LOGIN PASSWORD :'password';
\else
    CREATE ROLE app_procedures LOGIN;
    CREATE ROLE app_functions LOGIN;
\endif
\connect acme
CREATE SCHEMA app;
CREATE TABLE app.events_by_day (
    day date PRIMARY KEY,
    events bigint NOT NULL
);
CREATE PROCEDURE app.rollup(job_id integer, config jsonb) LANGUAGE sql AS $$
    INSERT INTO app.events_by_day AS before (day, events)
    SELECT triggered_at::date, count(*)
    FROM analytics.events
    GROUP BY 1
    ON CONFLICT (day) DO UPDATE SET events = greatest(before.events, excluded.events)
$$;
GRANT USAGE ON SCHEMA app, analytics TO app_procedures;
GRANT SELECT, INSERT, UPDATE ON app.events_by_day TO app_procedures;
GRANT SELECT ON analytics.events TO app_procedures;
