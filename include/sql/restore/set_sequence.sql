SELECT setval(%(oid)s::oid::regclass, %(value)s::bigint) AS value
