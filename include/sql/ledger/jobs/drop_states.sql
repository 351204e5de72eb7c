-- States of databases that their jobs no longer speak of.
DELETE FROM archiver.job_state
WHERE
    state NOT IN ('queued', 'running')
    AND (job_id, database_name) IN (SELECT * FROM unnest(%(job_ids)s::integer[], %(databases)s::text[]))
