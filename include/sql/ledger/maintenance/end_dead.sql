-- The caller holds the table's maintenance lock, so whoever wrote these rows is gone.
UPDATE archiver.maintenance
SET state = 'failed', ended_at = clock_timestamp(), note = 'its process died'
WHERE client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s AND state = 'running'
