-- Those that have no moment of the span, which in column time depends on the column's type.
DELETE FROM pg_temp.archiver_objects
WHERE CASE
    WHEN kind = 'timestamp with time zone' THEN span_start >= %(end)s::timestamp OR span_end <= %(start)s::timestamp
    ELSE span_start >= %(wall_end)s::timestamp OR span_end <= %(wall_start)s::timestamp
END
