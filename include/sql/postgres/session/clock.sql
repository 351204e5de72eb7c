-- The server's own clock bounds the cutoff, so a worker whose clock is ahead archives nothing early.
SELECT clock_timestamp() AS now
