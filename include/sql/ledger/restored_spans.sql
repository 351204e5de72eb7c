-- The spans of one object that restores have put into one target.
SELECT DISTINCT span_start, span_end
FROM archiver.restores
WHERE bucket = %(bucket)s AND object_key = %(object_key)s AND target_oid = %(target_oid)s
ORDER BY span_start
