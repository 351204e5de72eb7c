-- Its commit waits until all that was committed before is kept as the users' own setting demands: on the disk, and on standbys.
-- It does so because it has something to write, the lock on one row of the ledger, whichever: a transaction that only has a
-- number, or nothing to write, waits for nothing. Nobody is kept from his row by this lock, and no version of it is left behind.
SELECT newest.id, pg_catalog.set_config('synchronous_commit', %(commit)s, true) AS synchronous_commit
FROM (SELECT windows.id FROM archiver.windows ORDER BY windows.id DESC LIMIT 1 FOR KEY SHARE) AS newest
