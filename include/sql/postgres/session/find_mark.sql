-- Whether this is the session that left its mark. A lock's number lies in the view in two halves.
SELECT
    pg_catalog.pg_backend_pid() AS process,
    pg_catalog.current_setting('archiver.mark', true) AS token,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_locks AS lock
        WHERE
            lock.locktype OPERATOR(pg_catalog.=) 'advisory'
            AND lock.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND lock.objsubid OPERATOR(pg_catalog.=) 1
            AND lock.granted
            AND pg_catalog.int8send(pg_catalog.hashtextextended(%(token)s, 0)) OPERATOR(pg_catalog.=)
            (
                pg_catalog.oidsend(lock.classid) OPERATOR(pg_catalog.||) pg_catalog.oidsend(lock.objid)
            )
    ) AS locked
