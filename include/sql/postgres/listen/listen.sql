-- The tables of jobs send one notice on this channel for each statement that has changed a row.
LISTEN archiver_due
