-- In which parts of the table the window's rows lie, how many in each, and the last place of one there. Only the
-- columns of the window's conditions are read, so a value that cannot be written out does not matter.
SELECT target.tableoid AS part, target.tableoid::pg_catalog.regclass::text AS name, count(*) AS rows,
    max(target.ctid)::text AS upto
FROM {table} AS target
WHERE {column} >= %(start)s AND {column} < %(end)s AND {unreferenced}
GROUP BY target.tableoid
ORDER BY target.tableoid
