-- Triggers of the users (not of foreign keys) that will fire for each row or statement deleted. Bit 8 is DELETE.
SELECT tgname AS name
FROM pg_catalog.pg_trigger
WHERE tgrelid = %(oid)s AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 8 <> 0
ORDER BY tgname
