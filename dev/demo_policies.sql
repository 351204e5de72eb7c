-- Three tables of the demo whose policies are rows of a table: one is archived, of the second old rows are deleted, of the
-- third old versions.
CREATE TABLE app.clicks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, page text);
CREATE INDEX ON app.clicks (at);
INSERT INTO app.clicks (at, page)
SELECT now() - make_interval(hours => hour), 'page ' || hour FROM generate_series(1, 24 * 60) AS hour;
CREATE TABLE app.sessions (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seen_at timestamptz NOT NULL);
CREATE INDEX ON app.sessions (seen_at);
INSERT INTO app.sessions (seen_at)
SELECT now() - make_interval(hours => hour) FROM generate_series(1, 24 * 60) AS hour;
CREATE TABLE app.doc_versions (doc_id int, version int, saved_at timestamptz NOT NULL, PRIMARY KEY (doc_id, version));
INSERT INTO app.doc_versions
SELECT doc, version, now() - interval '40 days' FROM generate_series(1, 20) AS doc, generate_series(1, 10) AS version
