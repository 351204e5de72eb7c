"""What happened: the ledger's tables in the client database, and who may act for an archive."""
