-- The jobs of one source that people do not write here, as rows: the policy file's, or those of a table of policies. What
-- has not changed is not written, so that nobody is told of it. A name that a row of another source has taken stays that
-- row's: who asks learns which names this one has as well. What is missing goes only if all of the source could be read.
WITH wanted AS (
    SELECT *
    FROM jsonb_to_recordset(%(jobs)s::jsonb) AS job (
        job_name text, application_name text, action text, database_name text, proc_schema text, proc_name text,
        check_schema text, check_name text, function_name text, config jsonb, cron_schedule text,
        schedule_interval interval, timezone text, fixed_schedule boolean, initial_start timestamptz,
        only_if_idle boolean, run_window text, max_runtime interval, max_retries integer, retry_period interval,
        scheduled boolean
    )
),
gone AS (
    DELETE FROM archiver.jobs
    WHERE %(whole)s AND source = %(source)s AND job_name NOT IN (SELECT job_name FROM wanted)
),
written AS (
    INSERT INTO archiver.jobs AS job (
        source, job_name, application_name, action, database_name, proc_schema, proc_name, check_schema, check_name,
        function_name, config, cron_schedule, schedule_interval, timezone, fixed_schedule, initial_start, only_if_idle,
        run_window, max_runtime, max_retries, retry_period, scheduled
    )
    SELECT
        %(source)s::text, job_name, application_name, action, database_name, proc_schema, proc_name, check_schema, check_name,
        function_name, config, cron_schedule, schedule_interval, timezone, fixed_schedule, initial_start, only_if_idle,
        run_window, max_runtime, max_retries, retry_period, scheduled
    FROM wanted
    WHERE NOT EXISTS (
        SELECT FROM archiver.jobs AS same
        WHERE
            same.job_name = wanted.job_name
            AND (
                same.source <> %(source)s
                OR ROW(
                    same.application_name, same.action, same.database_name, same.proc_schema, same.proc_name,
                    same.check_schema, same.check_name, same.function_name, same.config, same.cron_schedule,
                    same.schedule_interval::text, same.timezone, same.fixed_schedule, same.initial_start,
                    same.only_if_idle, same.run_window, same.max_runtime::text, same.max_retries,
                    same.retry_period::text, same.scheduled
                ) IS NOT DISTINCT FROM ROW(
                    wanted.application_name, wanted.action, wanted.database_name, wanted.proc_schema, wanted.proc_name,
                    wanted.check_schema, wanted.check_name, wanted.function_name, wanted.config, wanted.cron_schedule,
                    wanted.schedule_interval::text, wanted.timezone, wanted.fixed_schedule, wanted.initial_start,
                    wanted.only_if_idle, wanted.run_window, wanted.max_runtime::text, wanted.max_retries,
                    wanted.retry_period::text, wanted.scheduled
                )
            )
    )
    ON CONFLICT (job_name) DO UPDATE
    SET
        application_name = excluded.application_name,
        action = excluded.action,
        database_name = excluded.database_name,
        proc_schema = excluded.proc_schema,
        proc_name = excluded.proc_name,
        check_schema = excluded.check_schema,
        check_name = excluded.check_name,
        function_name = excluded.function_name,
        config = excluded.config,
        cron_schedule = excluded.cron_schedule,
        schedule_interval = excluded.schedule_interval,
        timezone = excluded.timezone,
        fixed_schedule = excluded.fixed_schedule,
        initial_start = excluded.initial_start,
        only_if_idle = excluded.only_if_idle,
        run_window = excluded.run_window,
        max_runtime = excluded.max_runtime,
        max_retries = excluded.max_retries,
        retry_period = excluded.retry_period,
        scheduled = excluded.scheduled
    WHERE job.source = %(source)s
)
SELECT taken.job_name
FROM archiver.jobs AS taken
JOIN wanted USING (job_name)
WHERE taken.source <> %(source)s
ORDER BY taken.job_name
