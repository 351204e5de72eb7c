-- Each event that waits, runs or is dead, and how many come before it. What is not yet taken in comes behind all others.
-- A running event is one that a worker has in hand whose session lives. Neither keys nor payloads are here, but a topic
-- may hold the value of a column.
CREATE OR REPLACE VIEW archiver.queue_status WITH (security_barrier) AS
WITH at_work AS (
    SELECT held.event_id, worker.worker_id, worker.host, worker.in_hand_since, worker.airflow_run_id
    FROM archiver.workers AS worker
    CROSS JOIN unnest(worker.in_hand) AS held (event_id)
    WHERE EXISTS (
        SELECT
        FROM pg_catalog.pg_locks AS lock
        JOIN pg_catalog.pg_database AS this ON this.oid = lock.database AND this.datname = current_database()
        WHERE
            lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
            AND oidsend(lock.classid) || oidsend(lock.objid)
                = int8send(hashtextextended('archiver events worker ' || worker.worker_id, 0))
    )
)
SELECT
    event.id AS event_id,
    event.binding_id,
    event.topic,
    CASE
        WHEN at_work.event_id IS NOT NULL THEN 'running'
        WHEN event.available_at > clock_timestamp() THEN 'delayed'
        WHEN EXISTS (
            SELECT FROM archiver.blocked_topics AS blocked
            WHERE
                blocked.topic_hash = event.topic_hash AND blocked.event_id <> event.id
                AND blocked.until > clock_timestamp()
        ) THEN 'blocked'
        ELSE 'waiting'
    END AS state,
    row_number() OVER (ORDER BY event.priority, event.turn) AS position,
    extract(EPOCH FROM clock_timestamp() - at_work.in_hand_since)::double precision AS running_seconds,
    coalesce(at_work.host || ' ', '') || at_work.worker_id AS worker,
    at_work.airflow_run_id,
    event.attempts,
    event.queued_at,
    event.available_at
FROM archiver.events AS event
LEFT JOIN at_work ON at_work.event_id = event.id
UNION ALL
SELECT
    incoming.id,
    incoming.binding_id,
    NULL,
    'waiting',
    (SELECT count(*) FROM archiver.events) + row_number() OVER (ORDER BY incoming.id),
    NULL,
    NULL,
    NULL,
    0::smallint,
    incoming.queued_at,
    NULL
FROM archiver.incoming_events AS incoming
UNION ALL
SELECT dead.id, dead.binding_id, dead.topic, 'dead', NULL, NULL, NULL, NULL, dead.attempts, dead.queued_at, NULL
FROM archiver.dead_events AS dead;

-- How one event stands; no row where it has ended well, or never was.
CREATE OR REPLACE FUNCTION archiver.info(event_id bigint) RETURNS SETOF archiver.queue_status
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT * FROM archiver.queue_status AS status WHERE status.event_id = info.event_id
$$;

REVOKE ALL ON FUNCTION archiver.info FROM PUBLIC;

-- Keys, payloads and messages are rows of the client. Whoever reads the ledger by default privileges reads none of it.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT DISTINCT
            class.oid::regclass AS relation,
            CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(acl.grantee)) END AS role
        FROM pg_catalog.pg_class AS class, aclexplode(class.relacl) AS acl
        WHERE
            class.oid IN (
                'archiver.incoming_events'::regclass, 'archiver.events'::regclass, 'archiver.dead_events'::regclass,
                'archiver.event_log'::regclass, 'archiver.queue_status'::regclass
            )
            AND acl.grantee <> class.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', granted.relation, granted.role);
    END LOOP;
END
$$;

-- The owner of the database finds the switch, whatever else he may do.
GRANT SELECT, UPDATE (enabled, notify) ON archiver.capture TO pg_database_owner;

GRANT SELECT ON archiver.bindings TO pg_database_owner;

DO $$
BEGIN
    IF (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'archiver') THEN
        GRANT USAGE ON SCHEMA archiver TO pg_database_owner;
    END IF;
END
$$
