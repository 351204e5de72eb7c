SELECT archiver.note_in_hand(%(worker_id)s, %(ids)s::pg_catalog.int8[]) AS found
