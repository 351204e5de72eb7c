-- Whether a job is due that nobody has taken, whether one is since the last look that somebody was told of, and how
-- long it is until the next one. A job that runs and at which nobody is at work, since its process died, needs somebody
-- as well, and so does one that was refused and would be due now. Each part is the first row in the order of next_start,
-- since that is what the index on idle jobs gives at once; an EXISTS would be planned as a reading of the whole table.
SELECT
    clock.now,
    (
        SELECT true
        FROM archiver.job_state AS state
        JOIN archiver.jobs AS job USING (job_id)
        WHERE state.state = 'idle' AND state.definition <> '' AND job.scheduled AND state.next_start <= clock.now
        ORDER BY state.next_start
        LIMIT 1
    ) IS NOT NULL
    OR (
        SELECT true
        FROM archiver.job_state AS state
        JOIN archiver.jobs AS job USING (job_id)
        WHERE
            state.state IN ('running', 'refused')
            AND CASE state.state
                WHEN 'running' THEN NOT {ledger/jobs/fragments/is_at_work}
                ELSE job.scheduled AND state.next_start <= clock.now
            END
        LIMIT 1
    ) IS NOT NULL AS due,
    (
        SELECT true
        FROM archiver.job_state AS state
        JOIN archiver.jobs AS job USING (job_id)
        WHERE
            state.state = 'idle' AND state.definition <> '' AND job.scheduled AND state.next_start <= clock.now
            AND state.next_start > %(told)s::timestamptz
        ORDER BY state.next_start
        LIMIT 1
    ) IS NOT NULL AS newly_due,
    (
        SELECT extract(EPOCH FROM state.next_start - clock.now)::double precision
        FROM archiver.job_state AS state
        JOIN archiver.jobs AS job USING (job_id)
        WHERE state.state = 'idle' AND state.definition <> '' AND job.scheduled AND state.next_start > clock.now
        ORDER BY state.next_start
        LIMIT 1
    ) AS seconds_to_next
FROM (SELECT clock_timestamp() AS now) AS clock
