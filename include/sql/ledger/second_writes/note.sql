-- What the store has just shown.
INSERT INTO archiver.second_writes (client, bucket, prefix, endpoint, refused)
VALUES (%(client)s, %(bucket)s, %(prefix)s, %(endpoint)s, %(refused)s)
ON CONFLICT (client, bucket, prefix, endpoint) DO UPDATE
SET refused = excluded.refused, asked_at = pg_catalog.clock_timestamp()
