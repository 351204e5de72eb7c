-- Some rows by themselves, each with its number in the object in front.
COPY pg_temp.archiver_staged ({position}, {columns}) FROM STDIN (FORMAT csv)
