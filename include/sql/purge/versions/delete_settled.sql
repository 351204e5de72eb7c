-- The versions in these places that are still the ones that were judged, while all that supersede them are too, and are locked.
-- What else may keep one is asked again. Whoever changes one meanwhile makes a younger version of it, which stays.
-- Triggers fire under the database's own search path, so nothing here may be looked up along it.
WITH {purge/fragments/held},
gone AS (
    DELETE FROM ONLY {table} AS target
    WHERE
        target.ctid OPERATOR(pg_catalog.=) ANY (%(places)s::pg_catalog.tid[])
        AND pg_catalog.age(target.xmin) OPERATOR(pg_catalog.>) pg_catalog.age(%(oldest)s::pg_catalog.xid8::pg_catalog.xid)
        AND {versions/fragments/is_due}
    RETURNING pg_catalog.pg_column_size(target.*) AS bytes, target.{version} AS version
)
SELECT
    {purge/versions/fragments/counted}
FROM gone
