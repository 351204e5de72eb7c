-- Logical replication that will carry the moves to its subscribers.
SELECT tables.pubname AS name
FROM pg_catalog.pg_publication_tables AS tables
JOIN pg_catalog.pg_publication AS publication ON publication.pubname = tables.pubname
WHERE tables.schemaname = %(schema)s AND tables.tablename = %(table)s AND publication.pubupdate
ORDER BY tables.pubname
