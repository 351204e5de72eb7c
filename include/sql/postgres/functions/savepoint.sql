-- What a function of users does from here on can be taken back alone.
SAVEPOINT archiver_event
