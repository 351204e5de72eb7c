-- Rows that never left the table: changed since their export, or not reached by the delete.
DELETE FROM pg_temp.archiver_staged
WHERE {position} > %(upto)s OR {position} <@ %(kept)s::int8multirange
