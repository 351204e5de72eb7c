-- Two tables of the demo whose policies are rows of a table: one is archived, of the other rows are deleted.
CREATE TABLE app.clicks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, page text);
CREATE INDEX ON app.clicks (at);
INSERT INTO app.clicks (at, page)
SELECT now() - make_interval(hours => hour), 'page ' || hour FROM generate_series(1, 24 * 60) AS hour;
CREATE TABLE app.sessions (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seen_at timestamptz NOT NULL);
CREATE INDEX ON app.sessions (seen_at);
INSERT INTO app.sessions (seen_at)
SELECT now() - make_interval(hours => hour) FROM generate_series(1, 24 * 60) AS hour
