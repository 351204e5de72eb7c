-- What the ledger knows of this number and of all later ones.
SELECT
    number, token, run_id, host, port, system_identifier, database_oid::bigint AS database_oid, adopted
FROM archiver.owners
WHERE client = %(client)s AND bucket = %(bucket)s AND prefix = %(prefix)s AND number >= %(number)s
ORDER BY number
