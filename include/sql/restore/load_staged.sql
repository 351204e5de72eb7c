COPY pg_temp.archiver_staged ({columns}) FROM STDIN (FORMAT csv, HEADER)
