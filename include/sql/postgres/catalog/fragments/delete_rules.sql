-- Rules that do something else, or something more, when rows are deleted here. '4' is DELETE.
SELECT rulename AS name
FROM pg_catalog.pg_rewrite
WHERE ev_class = %(oid)s AND ev_type = '4' AND ev_enabled <> 'D'
ORDER BY rulename
