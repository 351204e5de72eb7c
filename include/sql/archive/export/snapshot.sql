-- Where and when the snapshot was taken, and the parts of the table that may hold rows of the windows, as a document.
SELECT
    current_database()::text AS database,
    current_setting('server_version') AS version,
    pg_current_snapshot()::text AS snapshot,
    clock_timestamp() AS read_at,
    (
        SELECT coalesce(json_agg(found), '[]')
        FROM (
            {postgres/catalog/fragments/parts_of_windows}
        ) AS found
    ) AS parts
