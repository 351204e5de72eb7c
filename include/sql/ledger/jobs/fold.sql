-- The end of a run goes into the statistics once, whoever finds it: a run is later than the last one that did by its
-- number, or, where the database that it worked on was made anew, by its start. A crash is no failure and took no time
-- that is known; a next start that was asked for meanwhile holds but after a crash. A rehearsal counts nowhere.
WITH folded AS (
    UPDATE archiver.job_state
    SET
        state = %(state)s,
        reason = %(reason)s,
        next_start = CASE WHEN %(crashed)s THEN %(next_start)s ELSE coalesce(next_start, %(next_start)s) END,
        due_by = CASE
            WHEN NOT %(crashed)s AND next_start IS NOT NULL THEN due_by
            WHEN %(succeeded)s THEN 'schedule'
            ELSE 'retry'
        END,
        queued_at = NULL,
        running_since = NULL,
        airflow_run_id = NULL,
        last_folded = %(run)s,
        last_folded_start = %(started_at)s,
        rehearsed_at = CASE WHEN %(dry_run)s AND %(succeeded)s THEN %(finished_at)s ELSE rehearsed_at END,
        rehearsed_definition = CASE WHEN %(dry_run)s AND %(succeeded)s THEN definition ELSE rehearsed_definition END,
        last_start = CASE WHEN %(dry_run)s THEN last_start ELSE %(started_at)s END,
        last_finish = CASE WHEN %(dry_run)s THEN last_finish ELSE %(finished_at)s END,
        last_successful_finish = CASE
            WHEN %(counts)s AND %(succeeded)s THEN %(finished_at)s ELSE last_successful_finish
        END,
        last_run_success = CASE WHEN %(counts)s THEN %(succeeded)s ELSE last_run_success END,
        total_runs = total_runs + %(counts)s::integer,
        total_successes = total_successes + (%(counts)s AND %(succeeded)s)::integer,
        total_failures = total_failures + (%(counts)s AND NOT %(succeeded)s AND NOT %(crashed)s)::integer,
        total_crashes = total_crashes + (%(counts)s AND %(crashed)s)::integer,
        total_duration = total_duration + CASE
            WHEN %(counts)s AND NOT %(crashed)s THEN %(finished_at)s - %(started_at)s ELSE interval '0'
        END,
        total_duration_failures = total_duration_failures + CASE
            WHEN %(counts)s AND NOT %(succeeded)s AND NOT %(crashed)s THEN %(finished_at)s - %(started_at)s
            ELSE interval '0'
        END,
        consecutive_failures = CASE
            WHEN NOT %(counts)s OR %(crashed)s THEN consecutive_failures
            WHEN %(succeeded)s THEN 0
            ELSE consecutive_failures + 1
        END,
        consecutive_crashes = CASE
            WHEN NOT %(counts)s THEN consecutive_crashes
            WHEN %(crashed)s THEN consecutive_crashes + 1
            ELSE 0
        END,
        total_rows = total_rows + CASE WHEN %(counts)s THEN coalesce(%(rows)s::bigint, 0) ELSE 0 END,
        total_bytes = total_bytes + CASE WHEN %(counts)s THEN coalesce(%(bytes)s::bigint, 0) ELSE 0 END,
        kept_by = CASE WHEN %(counts)s AND %(succeeded)s THEN %(kept_by)s ELSE kept_by END,
        highest_version = coalesce(%(highest_version)s, highest_version)
    WHERE
        job_id = %(job_id)s AND database_name = %(database)s
        AND (last_folded IS NULL OR %(run)s > last_folded OR %(started_at)s > last_folded_start)
    RETURNING next_start
)
SELECT count(*) AS folded, (SELECT pg_notify('archiver_due', 'look') FROM folded WHERE next_start IS NOT NULL LIMIT 1)
FROM folded
