-- Takes each column's very type from the target; no constraint and no default comes along.
CREATE TEMPORARY TABLE archiver_staged AS SELECT {columns} FROM {table} WITH NO DATA
