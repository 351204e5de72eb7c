-- What the ledger knows of one object, which may be that another one was meant to take its key.
SELECT
    {ledger/windows/fragments/generation}
FROM archiver.windows
{ledger/windows/fragments/line}
WHERE bucket = %(bucket)s AND object_key = %(object_key)s
