-- Whether a restore of this very table made the target.
SELECT count(*) > 0 AS made
FROM archiver.restore_targets
WHERE
    target_oid = %(target_oid)s AND target_schema = %(target_schema)s AND target_table = %(target_table)s
    AND client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s
