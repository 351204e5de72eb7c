-- Rows that no window will ever hold: they are counted and reported, never archived by accident.
SELECT
    (SELECT count(*) FROM {table} WHERE {column} IS NULL) AS missing,
    (SELECT count(*) FROM {table} WHERE {column} < %(earliest)s) AS too_old,
    (SELECT count(*) FROM {table} WHERE {column} >= %(latest)s) AS in_the_future,
    EXISTS (SELECT FROM {table} WHERE {column} >= %(earliest)s AND {column} < %(latest)s) AS any_usable
