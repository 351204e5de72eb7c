-- The whole b-trees of this very table that begin with the column. `alone` where they hold nothing else and order it as
-- an index of ours would, so that it can be attached to one; `being_built` where a session that builds an index holds
-- the table at this moment.
SELECT
    class.oid,
    space.nspname AS schema,
    class.relname AS name,
    index.indisvalid AND index.indisready AS valid,
    index.indnatts = 1 AND index.indoption[0] = 0 AND NOT index.indisunique
    AND opclass.opcdefault AND index.indcollation[0] = column_.attcollation AS alone,
    (SELECT inherits.inhparent FROM pg_catalog.pg_inherits AS inherits WHERE inherits.inhrelid = class.oid) AS parent,
    (
        SELECT min(lock.pid)
        FROM pg_catalog.pg_locks AS lock
        JOIN pg_catalog.pg_stat_progress_create_index AS building ON building.pid = lock.pid
        WHERE
            lock.locktype = 'relation' AND lock.relation = index.indrelid AND lock.granted
            AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND lock.mode IN ('ShareUpdateExclusiveLock', 'ShareLock') AND lock.pid <> pg_backend_pid()
    ) AS being_built
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
JOIN pg_catalog.pg_opclass AS opclass ON opclass.oid = index.indclass[0]
JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = index.indrelid AND column_.attnum = index.indkey[0]
WHERE
    index.indrelid = %(oid)s AND column_.attname = %(column)s
    AND index.indpred IS NULL AND method.amname = 'btree'
ORDER BY index.indisvalid DESC, class.relname
