-- Logical replication that will carry the deletes to its subscribers: of the table, its partitions or children.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT DISTINCT publication.pubname AS name
FROM pg_catalog.pg_publication AS publication
CROSS JOIN LATERAL pg_catalog.pg_get_publication_tables(publication.pubname::text) AS published
JOIN family ON family.oid = published.relid
WHERE publication.pubdelete
ORDER BY 1
