-- A batch does not wait for the disk: one that a crash of the server takes back is back with its events and its count.
SELECT set_config('synchronous_commit', 'off', false) AS synchronous_commit
