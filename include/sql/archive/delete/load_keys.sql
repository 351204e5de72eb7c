COPY pg_temp.archiver_keys ({names}) FROM STDIN (FORMAT csv, HEADER)
