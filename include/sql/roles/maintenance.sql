-- In each client database, once for each of its tables, after table.sql: what the DAG maintenance needs under a role of
-- its own, which role.sql makes and the Airflow connection `maintenance_conn_id` names.
-- psql -v role=NAME -v schema=NAME -v table=NAME [-v as_owner=yes] [-v column=NAME]
-- From Postgres 17 on it may VACUUM, REINDEX and VACUUM FULL the table and its partitions, and read them; only their
-- owner can make an index. Before 17, and with as_owner=yes, it becomes a member of the role that owns the table, with
-- all that an owner may do; never make the archive's own role one. With `column` it may set that one column of a table
-- that it does not own, which compact needs.
\set ON_ERROR_STOP on
\if :{?column}
\else
    \set column ''
\endif
BEGIN;
SELECT
    pg_get_userbyid(class.relowner) AS owner,
    owner.rolsuper OR coalesce(pg_has_role(class.relowner, to_regrole('rds_superuser')::oid, 'MEMBER'), false) AS too_much,
    current_setting('server_version_num')::integer < 170000 AS before_17,
    current_setting('server_version_num')::integer >= 160000 AS has_options
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_roles AS owner ON owner.oid = class.relowner
WHERE space.nspname = :'schema' AND class.relname = :'table' \gset
\set member :before_17
\if :{?as_owner}
    \set member true
\endif
\if :member
    \if :too_much
        DO $$
        BEGIN
            RAISE EXCEPTION 'nothing was granted: the table belongs to a superuser, or to the master user of an RDS server'
            USING HINT = 'Give it to a role of its own first: CREATE ROLE ...; ALTER TABLE ... OWNER TO ...';
        END
        $$;
    \endif
    \if :has_options
        GRANT :"owner" TO :"role" WITH INHERIT TRUE, SET FALSE;
    \else
        GRANT :"owner" TO :"role";
    \endif
\else
    WITH RECURSIVE family AS (
        SELECT class.oid
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        WHERE space.nspname = :'schema' AND class.relname = :'table'
        UNION
        SELECT inherits.inhrelid
        FROM pg_catalog.pg_inherits AS inherits
        JOIN family ON inherits.inhparent = family.oid
    )
    SELECT
        format(
            'GRANT %s ON TABLE %I.%I TO %I',
            concat_ws(', ', 'SELECT', 'MAINTAIN', CASE WHEN :'column' <> '' THEN format('UPDATE (%I)', :'column') END),
            space.nspname, class.relname, :'role'
        )
    FROM family
    JOIN pg_catalog.pg_class AS class ON class.oid = family.oid
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace \gexec
\endif
CREATE SCHEMA IF NOT EXISTS archiver;
-- Where the archive's role made the schema itself, its next run of maintenance grants this.
SELECT pg_has_role(nspowner, 'USAGE') AS to_grant FROM pg_catalog.pg_namespace WHERE nspname = 'archiver' \gset
\if :to_grant
    GRANT USAGE ON SCHEMA archiver TO :"role";
\endif
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";
COMMIT;
