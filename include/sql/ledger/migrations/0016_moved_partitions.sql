-- 'moved' tells that the rows of a detached partition that were in no object were put back into the table, where it
-- could not be attached again any more.
ALTER TABLE archiver.partitions
DROP CONSTRAINT IF EXISTS partitions_state_check,
ADD CONSTRAINT partitions_state_check CHECK (state IN ('detaching', 'dropped', 'attached', 'moved', 'gone'))
