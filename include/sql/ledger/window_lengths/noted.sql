-- How long the windows of a table are since somebody last chose.
SELECT hours
FROM archiver.window_lengths
WHERE client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
