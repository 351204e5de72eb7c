-- Published parts of the table from which the server will let nobody delete, because subscribers could not tell the
-- rows: no primary key, no other replica identity. A publication may name a partition, or a table that it is part of.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT class.oid::regclass::text AS part, string_agg(DISTINCT publication.pubname, ', ') AS publications
FROM family
JOIN pg_catalog.pg_class AS class ON class.oid = family.oid AND class.relkind = 'r'
CROSS JOIN pg_catalog.pg_publication AS publication
JOIN LATERAL pg_catalog.pg_get_publication_tables(publication.pubname::text) AS published
    ON published.relid = class.oid OR published.relid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(class.oid))
WHERE
    publication.pubdelete AND class.relreplident <> 'f'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS index
        WHERE
            index.indrelid = class.oid AND index.indisvalid AND index.indimmediate
            AND ((class.relreplident = 'd' AND index.indisprimary) OR (class.relreplident = 'i' AND index.indisreplident))
    )
GROUP BY class.oid
ORDER BY 1
