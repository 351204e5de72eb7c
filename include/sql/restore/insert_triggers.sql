-- Triggers of the users that will fire for each row or statement inserted. Bit 4 is INSERT.
SELECT tgname AS name
FROM pg_catalog.pg_trigger
WHERE tgrelid = %(oid)s AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 4 <> 0
ORDER BY tgname
