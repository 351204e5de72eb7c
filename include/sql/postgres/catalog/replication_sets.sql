-- The sets of pglogical that carry deletes from the table, its partitions or children.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT DISTINCT whole.set_name::text AS name
FROM pglogical.replication_set AS whole
JOIN pglogical.replication_set_table AS part ON part.set_id = whole.set_id
JOIN family ON family.oid = part.set_reloid::oid
WHERE whole.replicate_delete
ORDER BY 1
