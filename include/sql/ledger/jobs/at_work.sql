-- The jobs that run: a session holds one of the two locks of a run in the database where the job acts. Locks of all of the
-- server's databases are in one view, each with its number in two halves.
SELECT state.job_id, state.database_name
FROM archiver.job_state AS state
JOIN pg_catalog.pg_database AS there ON there.datname = state.database_name
WHERE
    state.state = 'running'
    AND EXISTS (
        SELECT
        FROM pg_catalog.pg_locks AS lock
        WHERE
            lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1 AND lock.database = there.oid
            AND oidsend(lock.classid) || oidsend(lock.objid) IN (
                int8send(hashtextextended(format('archiver job control %%s %%s', current_database(), state.job_id), 0)),
                int8send(hashtextextended(format('archiver job execute %%s %%s', current_database(), state.job_id), 0))
            )
    )
