-- Who this session is, and whether it may use the ledger's schema, keep its line of maintenance there, and its
-- statistics.
SELECT
    current_user::text AS role,
    coalesce(bool_or(has_schema_privilege(space.oid, 'USAGE')), false) AS in_schema,
    count(class.oid) = 4
    AND bool_and(has_table_privilege(class.oid, 'SELECT'))
    AND bool_and(
        class.relname <> 'maintenance'
        OR has_table_privilege(class.oid, 'INSERT') AND has_table_privilege(class.oid, 'UPDATE')
    ) AS in_tables,
    coalesce(
        (
            SELECT
                has_table_privilege(runs.oid, 'INSERT') AND has_table_privilege(runs.oid, 'UPDATE')
                AND has_column_privilege(runs.oid, 'id', 'SELECT')
            FROM pg_catalog.pg_class AS runs
            JOIN pg_catalog.pg_namespace AS archiver ON archiver.oid = runs.relnamespace
            WHERE archiver.nspname = 'archiver' AND runs.relname = 'job_runs' AND runs.relkind = 'r'
        ),
        false
    ) AS in_statistics
FROM pg_catalog.pg_namespace AS space
LEFT JOIN pg_catalog.pg_class AS class
    ON class.relnamespace = space.oid AND class.relkind = 'r'
    AND class.relname IN ('migrations', 'lowest_version', 'windows', 'maintenance')
WHERE space.nspname = 'archiver'
