-- The next objects in their order.
SELECT ledger_id, bucket, object_key, listed_key, cell_start, cell_end, generation, noted, place
FROM pg_temp.archiver_objects
WHERE place > %(after)s
ORDER BY place
LIMIT %(most)s
