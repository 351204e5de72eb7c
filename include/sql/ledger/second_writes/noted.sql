-- What the store showed, if that is not too long ago. What is noted for a time to come was noted by a wrong clock.
SELECT
    refused,
    pg_catalog.clock_timestamp() - asked_at AS age
FROM archiver.second_writes
WHERE
    client = %(client)s AND bucket = %(bucket)s AND prefix = %(prefix)s AND endpoint = %(endpoint)s
    AND asked_at > pg_catalog.clock_timestamp() - %(longest)s::interval AND asked_at <= pg_catalog.clock_timestamp()
