UPDATE archiver.owners
SET confirmed_at = clock_timestamp()
WHERE client = %(client)s AND bucket = %(bucket)s AND prefix = %(prefix)s AND number = %(number)s AND token = %(token)s
