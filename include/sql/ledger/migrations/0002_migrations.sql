-- Which of the numbered files have been run here.
CREATE TABLE IF NOT EXISTS archiver.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
