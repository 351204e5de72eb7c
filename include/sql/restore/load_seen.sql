-- The keys of rows that could not come in: an older version of such a row must not come in its place.
COPY pg_temp.archiver_seen ({key}) FROM STDIN (FORMAT csv)
