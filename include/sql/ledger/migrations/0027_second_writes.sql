-- Whether the store refused to write a key twice when it was asked last, below the folder of one client's archive. Where it
-- did, keys need not be looked at before they are written, for a while. The endpoint is the address of the store.
CREATE TABLE IF NOT EXISTS archiver.second_writes (
    client text NOT NULL,
    bucket text NOT NULL,
    prefix text NOT NULL,
    endpoint text NOT NULL,
    refused boolean NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (client, bucket, prefix, endpoint)
)
