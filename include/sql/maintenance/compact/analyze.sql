-- Fresh statistics, by which the room that the rows and the indexes need is estimated.
ANALYZE {table}
