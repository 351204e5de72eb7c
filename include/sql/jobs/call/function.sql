-- A function runs to its end, and nothing of what it returns leaves the server, be it a gigabyte or a million rows.
SELECT pg_catalog.count(*) FILTER (WHERE called.given IS NOT NULL) AS calls
FROM (SELECT {routine}(%(job_id)s::{id_type}, %(config)s::pg_catalog.jsonb) IS NULL AS given) AS called
