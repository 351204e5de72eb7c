-- The jobs that keep versions and whose events may run now, with the bindings of the tables that they name. The tables of the
-- queue may be older than this program; then there are none.
SELECT binding.job_id, array_agg(binding.binding_id ORDER BY binding.binding_id) AS bindings
FROM archiver.runnable_bindings AS runnable
JOIN archiver.bindings AS binding USING (binding_id)
JOIN archiver.jobs AS job USING (job_id)
JOIN pg_catalog.pg_class AS class ON class.oid = binding.source
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE
    runnable.function_name = 'archiver.keep_versions'
    AND job.config ->> 'table' IN (
        space.nspname || '.' || class.relname,
        format('%%I.%%I', space.nspname, class.relname),
        format('"%%s"."%%s"', replace(space.nspname, '"', '""'), replace(class.relname, '"', '""'))
    )
GROUP BY binding.job_id
ORDER BY binding.job_id
