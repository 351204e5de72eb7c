-- Rows that lack a part of their key, or their version.
SELECT count(*) AS rows FROM {table} AS target WHERE (ROW({usable}) IS NOT NULL) IS NOT TRUE
