-- Whether an event of this job waits, is at work, or has ended well since then. The log knows those that ended before the
-- job asked for that.
SELECT
    EXISTS (
        SELECT FROM archiver.incoming_events AS event
        JOIN archiver.bindings AS binding USING (binding_id)
        WHERE binding.job_id = %(job_id)s
    )
    OR EXISTS (
        SELECT FROM archiver.events AS event
        JOIN archiver.bindings AS binding USING (binding_id)
        WHERE binding.job_id = %(job_id)s
    )
    OR EXISTS (
        SELECT FROM archiver.event_successes AS success
        WHERE success.job_id = %(job_id)s AND success.started_at > %(since)s
    )
    OR EXISTS (
        SELECT FROM archiver.event_log AS run
        JOIN archiver.bindings AS binding USING (binding_id)
        WHERE binding.job_id = %(job_id)s AND run.succeeded AND run.started_at > %(since)s
    ) AS ran
