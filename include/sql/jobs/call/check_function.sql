-- As the other check; what it returns counts for nothing.
SELECT pg_catalog.count(*) FILTER (WHERE called.given IS NOT NULL) AS calls
FROM (SELECT {routine}(%(config)s::pg_catalog.jsonb) IS NULL AS given) AS called
