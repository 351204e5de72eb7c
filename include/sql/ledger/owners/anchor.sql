-- From which number on S3 has to be looked at: the run's own newest one, else the newest one that was read back.
SELECT number
FROM archiver.owners
WHERE client = %(client)s AND bucket = %(bucket)s AND prefix = %(prefix)s AND confirmed_at IS NOT NULL
ORDER BY run_id = %(run_id)s DESC, number DESC
LIMIT 1
