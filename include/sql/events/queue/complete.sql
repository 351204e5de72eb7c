-- How many of them were there to be ended. Names may mean anything here, so all are qualified.
SELECT archiver.complete_events(
    %(ids)s::pg_catalog.int8[], %(merged_ids)s::pg_catalog.int8[], %(starts)s::pg_catalog.timestamptz[],
    %(took_ms)s::pg_catalog.float4[], %(messages)s::pg_catalog.text[], %(outputs)s::pg_catalog.text[], %(worker)s
) AS ended
