-- Whether it has partitions, or children by inheritance.
SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = %(oid)s) AS found
