-- How many rows of the table, its partitions and children this session has deleted of late, whoever asked for it: within a
-- transaction the number only goes up. The server counts them as long as track_counts is on.
WITH RECURSIVE {postgres/catalog/fragments/family}
SELECT
    current_setting('track_counts')::boolean AS counted,
    sum(pg_stat_get_xact_tuples_deleted(family.oid))::bigint AS rows
FROM family
