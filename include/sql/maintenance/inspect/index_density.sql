-- How full the leaves of a b-tree are, in percent; pages that hold nothing count as free.
SELECT
    CASE WHEN avg_leaf_density = 'NaN'::float8 THEN 0 ELSE avg_leaf_density END AS density,
    leaf_pages::bigint AS leaves,
    (empty_pages + deleted_pages)::bigint AS empty
FROM {function}(%(oid)s::oid::regclass)
