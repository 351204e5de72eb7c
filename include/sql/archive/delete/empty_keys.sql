-- The list of the window before makes room for the next one, whose rows are numbered from 1 again.
TRUNCATE pg_temp.archiver_keys RESTART IDENTITY
