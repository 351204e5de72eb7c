-- Whether rows of this client have left by this ledger; asked of one that is older than the note of it.
SELECT EXISTS (SELECT FROM archiver.windows WHERE client = %(client)s AND deleted_rows > 0) AS found
