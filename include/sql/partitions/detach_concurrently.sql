-- Readers and writers of the parent continue; only the partition itself is locked, at the end.
ALTER TABLE {parent} DETACH PARTITION {partition} CONCURRENTLY
