-- For `newest` the privilege UPDATE is needed too.
SELECT
    has_table_privilege(%(oid)s::oid, 'INSERT') AS may_insert,
    has_table_privilege(%(oid)s::oid, 'UPDATE') AS may_update
