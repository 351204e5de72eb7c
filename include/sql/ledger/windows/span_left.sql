-- From when to when rows of this table have left, by the ledger; nulls where none has.
SELECT min(span_start) AS span_start, max(span_end) AS span_end
FROM archiver.windows
WHERE client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s AND deleted_rows > 0
