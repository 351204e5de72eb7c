-- One row for each time that something was done in this database: by a job, or by a DAG of this program (source 'dag'). A
-- row is committed before anything else, as a crash, and stops being one when its end is written; `succeeded` is null
-- until then. `source_database` is where the job's row is, `folded_at` when its statistics took the run in. What the
-- server or a procedure said is in err_message and output, which may hold rows, and leaves this database never.
CREATE TABLE IF NOT EXISTS archiver.job_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id integer,
    source_database text,
    folded_at timestamptz,
    database_name text NOT NULL,
    job_name text NOT NULL,
    source text NOT NULL CHECK (source IN ('table', 'file', 'dag')),
    action text NOT NULL,
    subject text,
    caused_by text NOT NULL CHECK (caused_by IN ('schedule', 'retry', 'event', 'manual', 'dag')),
    dry_run boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    succeeded boolean,
    crashed boolean NOT NULL DEFAULT false,
    rows bigint,
    bytes bigint,
    sqlerrcode text,
    err_message text,
    output text,
    pid integer,
    worker text,
    airflow_dag_id text,
    airflow_run_id text,
    CHECK ((job_id IS NULL) = (source = 'dag')),
    CHECK ((source_database IS NULL) = (source = 'dag'))
);

CREATE INDEX IF NOT EXISTS job_runs_of_job ON archiver.job_runs (job_id, started_at DESC);

CREATE INDEX IF NOT EXISTS job_runs_started_at ON archiver.job_runs (started_at);

CREATE INDEX IF NOT EXISTS job_runs_open ON archiver.job_runs (id) WHERE finished_at IS NULL;

CREATE INDEX IF NOT EXISTS job_runs_unfolded ON archiver.job_runs (source_database, id)
WHERE folded_at IS NULL AND job_id IS NOT NULL;

-- A task that is cleared and run again writes its own row once more.
CREATE UNIQUE INDEX IF NOT EXISTS job_runs_of_dag ON archiver.job_runs (
    airflow_dag_id, airflow_run_id, action, (coalesce(subject, ''))
) WHERE source = 'dag';

-- Whoever reads the ledger by default privileges reads of this table all but what may hold rows.
DO $$
DECLARE
    reader record;
BEGIN
    FOR reader IN
        SELECT DISTINCT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(acl.grantee)) END AS role
        FROM pg_catalog.pg_class AS class, aclexplode(class.relacl) AS acl
        WHERE class.oid = 'archiver.job_runs'::regclass AND acl.grantee <> class.relowner AND acl.privilege_type = 'SELECT'
    LOOP
        EXECUTE format('REVOKE SELECT ON archiver.job_runs FROM %s', reader.role);
        EXECUTE format(
            'GRANT SELECT (%s) ON archiver.job_runs TO %s',
            (
                SELECT string_agg(format('%I', attname), ', ')
                FROM pg_catalog.pg_attribute
                WHERE
                    attrelid = 'archiver.job_runs'::regclass AND attnum > 0 AND NOT attisdropped
                    AND attname NOT IN ('err_message', 'output')
            ),
            reader.role
        );
    END LOOP;
END
$$
