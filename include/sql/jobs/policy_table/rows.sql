-- The rows of a table of policies, with the names that their tables and jobs have here. What is too long for a name is
-- cut, and too long still.
SELECT
    cut.*,
    named.job_name,
    archiver.name_table(cut.schema_name, cut.table_name) AS table_text,
    named.job_name ~ '[[:cntrl:]]' AS is_unprintable
FROM (
    SELECT
        left(database_name::text, 1001) AS database_name,
        left(schema_name::text, 1001) AS schema_name,
        left(table_name::text, 1001) AS table_name,
        retention_days::bigint AS retention_days,
        left(timestamp_column_name::text, 1001) AS timestamp_column_name,
        batch_size::bigint AS batch_size,
        left(cron_schedule::text, 1001) AS cron_schedule
    FROM {table}
    LIMIT %(most)s
) AS cut
CROSS JOIN LATERAL (
    SELECT archiver.name_retention_job(cut.database_name, cut.schema_name, cut.table_name) AS job_name
) AS named
ORDER BY named.job_name
