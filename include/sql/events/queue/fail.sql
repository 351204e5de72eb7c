-- Whether it comes later or is dead, null where it is gone. Names may mean anything here, so all are qualified.
SELECT archiver.fail_event(
    %(id)s, %(err_message)s, %(output)s, %(started_at)s, %(took_ms)s::pg_catalog.float4, %(worker)s
) AS outcome
