-- Rows in these pages, by place, locked against change; those that somebody else has locked are left for later, so
-- this never waits. Whoever adds a row that points here may continue.
SELECT live.ctid::text AS place, (live.ctid::text::point)[0]::bigint AS block
FROM ONLY {table} AS live
WHERE live.ctid >= %(first)s::tid AND live.ctid < %(beyond)s::tid
FOR NO KEY UPDATE SKIP LOCKED
LIMIT %(most)s
