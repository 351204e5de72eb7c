-- What the last VACUUM found free, page by page, a little rounded down.
SELECT coalesce(sum(avail), 0)::bigint AS free FROM {function}(%(oid)s::oid::regclass)
