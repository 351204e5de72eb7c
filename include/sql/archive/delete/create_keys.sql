-- Takes each column's very type from the table itself.
CREATE TEMPORARY TABLE archiver_keys ({names}) AS SELECT {columns} FROM {table} WITH NO DATA
