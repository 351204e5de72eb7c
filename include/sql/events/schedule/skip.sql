-- A start by the clock that is left out, and why; it counts nowhere.
UPDATE archiver.job_state
SET next_start = %(next_start)s, due_by = 'schedule', reason = %(reason)s
WHERE job_id = %(job_id)s AND database_name = current_database()
