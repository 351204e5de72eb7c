-- Windows that somebody exported within this time and has not deleted yet: after a rewrite of the table they would
-- have to be exported again.
SELECT count(*) AS windows
FROM archiver.windows
WHERE
    table_schema = %(schema)s AND table_name = %(table)s AND state IN ('exported', 'stored')
    AND exported_at > clock_timestamp() - %(within)s
