-- The jobs that keep versions and whose events may run now, with the bindings of the tables that they name.
SELECT binding.job_id, array_agg(binding.binding_id ORDER BY binding.binding_id) AS bindings
FROM archiver.runnable_bindings AS runnable
JOIN archiver.bindings AS binding USING (binding_id)
JOIN archiver.jobs AS job USING (job_id)
WHERE
    runnable.function_name = 'archiver.keep_versions'
    AND archiver.is_table_of(binding.source, job.config ->> 'table')
GROUP BY binding.job_id
ORDER BY binding.job_id
