-- Takes back what the function did, settings too.
ROLLBACK TO SAVEPOINT archiver_event
