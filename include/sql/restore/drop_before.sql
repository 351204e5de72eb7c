-- Rows that an earlier restore has put into the same target already, by their numbers.
DELETE FROM pg_temp.archiver_staged WHERE {position} <@ ANY (%(positions)s::int8multirange[])
