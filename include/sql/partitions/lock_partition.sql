-- From here to the end of the transaction nobody reads, writes or rewrites the partition.
LOCK TABLE {partition} IN ACCESS EXCLUSIVE MODE
