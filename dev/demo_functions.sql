-- Two tables of the demo: what changes in the one is written into the other by a function.
CREATE TABLE app.orders (id integer PRIMARY KEY, article text NOT NULL);
CREATE TABLE app.changes (event_id bigint NOT NULL, operation text NOT NULL, key jsonb NOT NULL);
GRANT USAGE ON SCHEMA app TO app_functions;
GRANT INSERT ON app.changes TO app_functions
