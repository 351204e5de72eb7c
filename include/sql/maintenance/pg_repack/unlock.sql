SELECT pg_advisory_unlock(16185446, (-2147483648 + %(oid)s::bigint)::integer) AS given_back
