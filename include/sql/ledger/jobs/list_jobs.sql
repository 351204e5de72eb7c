-- All jobs, or one. Intervals as months, days and microseconds: a month is none of the driver's lengths. The config as
-- text: what one row holds that nobody can read must not keep the others from being read.
SELECT
    job_id, job_name, application_name, source, action, database_name, proc_schema, proc_name, check_schema, check_name,
    function_name, config::text AS config, cron_schedule, timezone, fixed_schedule, initial_start, only_if_idle, run_window, max_retries,
    scheduled, owner, created_at, updated_at, next_start,
    CASE
        WHEN schedule_interval IS NOT NULL THEN ARRAY[
            extract(YEAR FROM schedule_interval) * 12 + extract(MONTH FROM schedule_interval),
            extract(DAY FROM schedule_interval),
            (extract(HOUR FROM schedule_interval) * 60 + extract(MINUTE FROM schedule_interval)) * 60000000
            + extract(MICROSECOND FROM schedule_interval)
        ]::bigint[]
    END AS schedule_interval,
    ARRAY[
        extract(YEAR FROM max_runtime) * 12 + extract(MONTH FROM max_runtime),
        extract(DAY FROM max_runtime),
        (extract(HOUR FROM max_runtime) * 60 + extract(MINUTE FROM max_runtime)) * 60000000
        + extract(MICROSECOND FROM max_runtime)
    ]::bigint[] AS max_runtime,
    ARRAY[
        extract(YEAR FROM retry_period) * 12 + extract(MONTH FROM retry_period),
        extract(DAY FROM retry_period),
        (extract(HOUR FROM retry_period) * 60 + extract(MINUTE FROM retry_period)) * 60000000
        + extract(MICROSECOND FROM retry_period)
    ]::bigint[] AS retry_period
FROM archiver.jobs
WHERE %(job_id)s::integer IS NULL OR job_id = %(job_id)s
ORDER BY job_id
