-- Rules that do something else, or something more, when rows are inserted or changed. '2' is UPDATE, '3' INSERT.
SELECT rulename AS name
FROM pg_catalog.pg_rewrite
WHERE ev_class = %(oid)s AND ev_type IN ('2', '3') AND ev_enabled NOT IN ('D', 'R')
ORDER BY rulename
