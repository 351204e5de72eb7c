-- What the files of the partition take, and those of its own partitions.
SELECT sum(pg_total_relation_size(oid))::bigint AS bytes
FROM (SELECT %(oid)s::oid AS oid UNION SELECT relid FROM pg_partition_tree(%(oid)s::oid)) AS parts
