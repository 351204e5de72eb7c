-- What is left to do when DETACH CONCURRENTLY was broken off.
ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE
