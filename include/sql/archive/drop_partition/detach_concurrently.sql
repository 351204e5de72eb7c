-- Readers and writers of the parent go on meanwhile; only the partition itself is locked, at the end.
ALTER TABLE {parent} DETACH PARTITION {partition} CONCURRENTLY
