-- The keys that newer objects of this restore have given already.
CREATE TEMPORARY TABLE archiver_seen ({key})
