-- What of pg_repack there is in this database, and what this role may do with it. On RDS one role stands in for superusers.
SELECT
    current_setting('server_version_num')::integer / 10000 AS server,
    (SELECT available.default_version FROM pg_catalog.pg_available_extensions AS available WHERE available.name = 'pg_repack')
        AS available,
    (SELECT extension.extversion FROM pg_catalog.pg_extension AS extension WHERE extension.extname = 'pg_repack') AS installed,
    current_setting('is_superuser') = 'on' AS superuser,
    coalesce(pg_has_role(to_regrole('rds_superuser')::oid, 'USAGE'), false) AS rds_superuser,
    coalesce(has_schema_privilege(to_regnamespace('repack')::oid, 'USAGE, CREATE'), false) AS may_use
