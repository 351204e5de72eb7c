UPDATE archiver.job_runs SET folded_at = clock_timestamp() WHERE id = ANY(%(ids)s) AND folded_at IS NULL
