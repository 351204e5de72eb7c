-- One row for each time that a run noted that this database is the one that acts for an archive: for one client, in
-- one bucket and below one prefix. The same number and token lie in S3, as an object that is never overwritten. Host
-- and port are those of the run's connection; the system identifier is null where its role may not ask for it.
-- adopted is the reason of a person who handed the archive to this database, null if nobody had to. confirmed_at is
-- null until the object was read back: it may or may not be in S3.
CREATE TABLE archiver.owners (
    client text NOT NULL,
    bucket text NOT NULL,
    prefix text NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    token text NOT NULL,
    run_id text NOT NULL,
    host text NOT NULL,
    port text NOT NULL,
    system_identifier text,
    database_oid oid NOT NULL,
    adopted text,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    confirmed_at timestamptz,
    PRIMARY KEY (client, bucket, prefix, number)
)
