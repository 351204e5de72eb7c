-- The lowest version of the ledger that a program must know to write here.
SELECT version FROM archiver.lowest_version
