-- Whether a session holds one of the two locks of a job's run, in the database where `state` says that it acts. Locks of
-- all of the server's databases are in one view, each with its number in two halves.
EXISTS (
    SELECT
    FROM pg_catalog.pg_locks AS lock
    JOIN pg_catalog.pg_database AS there ON there.oid = lock.database
    WHERE
        lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1 AND there.datname = state.database_name
        AND oidsend(lock.classid) || oidsend(lock.objid) IN (
            int8send(hashtextextended(format('archiver job control %%s %%s', current_database(), state.job_id), 0)),
            int8send(hashtextextended(format('archiver job execute %%s %%s', current_database(), state.job_id), 0))
        )
)
