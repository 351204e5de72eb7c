-- Gives no row if another claim, whose session lost its lock, has noted the same number.
INSERT INTO archiver.owners (
    client, bucket, prefix, number, token, run_id, host, port, system_identifier, database_oid, adopted
)
VALUES (
    %(client)s, %(bucket)s, %(prefix)s, %(number)s, %(token)s, %(run_id)s, %(host)s, %(port)s, %(system_identifier)s,
    %(database_oid)s, %(adopted)s
)
ON CONFLICT (client, bucket, prefix, number) DO NOTHING
RETURNING noted_at
