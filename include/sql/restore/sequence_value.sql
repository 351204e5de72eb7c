-- The last value that the sequence gave, null where it has given none.
SELECT pg_sequence_last_value(%(oid)s::oid::regclass) AS last
