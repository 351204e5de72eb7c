-- The numbers of the rows that came in, as ranges.
SELECT coalesce(range_agg(int8range({position}, {position}, '[]')), '{{}}')::text AS positions
FROM pg_temp.archiver_staged
