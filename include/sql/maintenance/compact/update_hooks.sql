-- What UPDATE would set off on this table: user-defined triggers (bit 16 is UPDATE) and rules ('2' is UPDATE).
-- With session_replication_role = replica only those enabled ALWAYS or for REPLICA do anything.
SELECT tgname AS name, tgenabled IN ('A', 'R') AS on_replica, tgenabled <> 'R' AS on_origin
FROM pg_catalog.pg_trigger
WHERE tgrelid = %(oid)s AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 <> 0
UNION ALL
SELECT rulename, ev_enabled IN ('A', 'R'), ev_enabled <> 'R'
FROM pg_catalog.pg_rewrite
WHERE ev_class = %(oid)s AND ev_type = '2' AND ev_enabled <> 'D'
ORDER BY 1
