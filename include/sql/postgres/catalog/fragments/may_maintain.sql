-- The owner of the table, or of the database, may maintain it, and from version 17 on who was granted MAINTAIN; the server
-- passes over others with a mere warning.
pg_has_role(class.relowner, 'USAGE')
    OR (SELECT pg_has_role(base.datdba, 'USAGE') FROM pg_catalog.pg_database AS base
        WHERE base.datname = current_database())
    OR CASE
        WHEN current_setting('server_version_num')::integer >= 170000
            THEN has_table_privilege(class.oid, 'MAINTAIN')
        ELSE false
    END
