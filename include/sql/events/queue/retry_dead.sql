SELECT archiver.retry_dead(%(binding_id)s, %(ids)s::pg_catalog.int8[]) AS put_back
