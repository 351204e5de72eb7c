-- The routines of this name, and which of them takes just what a job hands over: its number and its config, or to a
-- check its config alone. Names mean what users want in this session, so every one here is qualified. What a procedure
-- only gives back would have to be in the call.
SELECT
    space.nspname::pg_catalog.text AS schema,
    routine.proname::pg_catalog.text AS name,
    routine.prokind::pg_catalog.text AS kind,
    routine.prosecdef AS security_definer,
    pg_catalog.pg_get_function_identity_arguments(routine.oid) AS arguments,
    pg_catalog.format_type(routine.proargtypes[0], NULL) AS first_type,
    CURRENT_USER::pg_catalog.text AS login,
    pg_catalog.has_schema_privilege(space.oid, 'USAGE') AS may_use,
    pg_catalog.has_function_privilege(routine.oid, 'EXECUTE') AS may_call,
    routine.provariadic OPERATOR(pg_catalog.=) 0::pg_catalog.oid
    AND (
        routine.prokind OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
        OR (routine.prokind OPERATOR(pg_catalog.=) 'p'::pg_catalog."char" AND routine.proargmodes IS NULL)
    )
    AND CASE
        WHEN %(for_check)s
            THEN
                routine.pronargs OPERATOR(pg_catalog.=) 1::pg_catalog.int2
                AND routine.proargtypes[0] OPERATOR(pg_catalog.=) 'pg_catalog.jsonb'::pg_catalog.regtype::pg_catalog.oid
        ELSE
            routine.pronargs OPERATOR(pg_catalog.=) 2::pg_catalog.int2
            AND (
                routine.proargtypes[0] OPERATOR(pg_catalog.=) 'pg_catalog.int4'::pg_catalog.regtype::pg_catalog.oid
                OR routine.proargtypes[0] OPERATOR(pg_catalog.=) 'pg_catalog.int8'::pg_catalog.regtype::pg_catalog.oid
            )
            AND routine.proargtypes[1] OPERATOR(pg_catalog.=) 'pg_catalog.jsonb'::pg_catalog.regtype::pg_catalog.oid
    END AS fits
FROM pg_catalog.pg_proc AS routine
JOIN pg_catalog.pg_namespace AS space ON space.oid OPERATOR(pg_catalog.=) routine.pronamespace
WHERE
    routine.proname OPERATOR(pg_catalog.=) %(name)s::pg_catalog.name
    -- A name that is longer than one can be is cut above.
    AND routine.proname::pg_catalog.text OPERATOR(pg_catalog.=) %(name)s::pg_catalog.text
    AND space.nspname::pg_catalog.text OPERATOR(pg_catalog.=) %(schema)s::pg_catalog.text
ORDER BY routine.oid USING OPERATOR(pg_catalog.<)
