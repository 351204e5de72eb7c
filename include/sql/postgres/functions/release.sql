-- Keeps what the function did. It fails where the function has ended the transaction, and the savepoint with it.
RELEASE SAVEPOINT archiver_event
