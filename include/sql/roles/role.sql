-- Once a server, in any database, once for each role: the archive's, and those of maintenance and of readers.
-- psql -v role=NAME
-- On a terminal the password is asked for, and only its hash is sent, so that it gets into no history and no log.
-- Without one (a job, CI) it is taken from the environment variable ARCHIVER_ROLE_PASSWORD or from -v password=..., and
-- sent as it is; a server that logs statements logs it too, unless it is a SCRAM-SHA-256 verifier made before.
-- No role is made without a password.
\set ON_ERROR_STOP on
\if :{?password}
    \set given `[ -n :'password' ] && echo true || echo false`
\else
    \set given `[ -n "$ARCHIVER_ROLE_PASSWORD" ] && echo true || echo false`
    \set password `printf %s "$ARCHIVER_ROLE_PASSWORD"`
\endif
\set terminal `(: < /dev/tty) 2>/dev/null && echo true || echo false`
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'role') AS missing \gset
\if :missing
    BEGIN;
    \if :given
        CREATE ROLE :"role" LOGIN PASSWORD :'password';
    \elif :terminal
        CREATE ROLE :"role" LOGIN;
        \password :"role"
    \else
        DO $$
        BEGIN
            RAISE EXCEPTION 'no role was made: there is no terminal on which to ask for its password'
            USING HINT = 'Set the environment variable ARCHIVER_ROLE_PASSWORD, or psql -v password=..., and run it again.';
        END
        $$;
    \endif
    COMMIT;
\endif
