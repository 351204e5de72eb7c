-- The procedure of the demo's job, which counts events by day, before they leave and after: what was counted once stays.
CREATE SCHEMA app;
CREATE TABLE app.events_by_day (day date PRIMARY KEY, events bigint NOT NULL, counted_at timestamptz NOT NULL);
CREATE PROCEDURE app.rollup(job_id integer, config jsonb) LANGUAGE plpgsql AS $$
DECLARE
    days bigint;
BEGIN
    INSERT INTO app.events_by_day AS before (day, events, counted_at)
    SELECT triggered_at::date, count(*), clock_timestamp()
    FROM analytics.events
    GROUP BY 1
    ON CONFLICT (day) DO UPDATE
    SET events = greatest(before.events, excluded.events), counted_at = excluded.counted_at;
    GET DIAGNOSTICS days = ROW_COUNT;
    RAISE NOTICE '% days were counted', days;
END
$$;
GRANT USAGE ON SCHEMA app TO app_procedures;
GRANT SELECT, INSERT, UPDATE ON app.events_by_day TO app_procedures;
GRANT USAGE ON SCHEMA analytics TO app_procedures;
GRANT SELECT ON analytics.events TO app_procedures
