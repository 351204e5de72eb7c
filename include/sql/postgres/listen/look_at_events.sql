-- Whether somebody works on events, whether one waits that could run now, and how long it is until the next. Events of a
-- job that is refused, paused or waits for a person need nobody.
WITH runnable AS (
    SELECT binding_id FROM archiver.runnable_bindings
)
SELECT
    clock_timestamp() AS now,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_locks AS lock
        JOIN pg_catalog.pg_database AS this ON this.oid = lock.database AND this.datname = current_database()
        WHERE
            lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
            AND oidsend(lock.classid) || oidsend(lock.objid) = int8send(hashtextextended(%(at_work)s, 0))
    ) AS at_work,
    EXISTS (
        SELECT FROM archiver.incoming_events AS event
        WHERE event.binding_id IN (SELECT runnable.binding_id FROM runnable)
    )
    OR EXISTS (
        SELECT FROM archiver.events AS event
        WHERE event.available_at IS NULL AND event.binding_id IN (SELECT runnable.binding_id FROM runnable)
    )
    OR EXISTS (
        SELECT FROM archiver.events AS event
        WHERE event.available_at <= clock_timestamp() AND event.binding_id IN (SELECT runnable.binding_id FROM runnable)
    ) AS waits,
    (
        SELECT extract(EPOCH FROM min(event.available_at) - clock_timestamp())::double precision
        FROM archiver.events AS event
        WHERE event.available_at > clock_timestamp()
    ) AS seconds_to_next
