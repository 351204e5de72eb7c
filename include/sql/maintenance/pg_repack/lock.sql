-- The lock that pg_repack itself holds while it works on a table; its number is from there.
SELECT pg_try_advisory_lock(16185446, (-2147483648 + %(oid)s::bigint)::integer) AS taken
