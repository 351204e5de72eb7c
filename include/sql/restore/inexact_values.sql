-- Rows of which a value would change in the column's type of today: rounded, cut or shifted.
SELECT {position} AS position
FROM pg_temp.archiver_staged
WHERE {position} > %(after)s AND {position} <= %(upto)s AND {inexact}
