-- Whether rows of this very table have left, so that its timestamp column cannot be the wrong one.
SELECT EXISTS (
    SELECT FROM archiver.windows
    WHERE client = %(client)s AND table_schema = %(schema)s AND table_name = %(table)s AND deleted_rows > 0
) AS found
