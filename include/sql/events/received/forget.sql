-- Names may mean anything here, so all are qualified.
SELECT archiver.forget_messages(
    %(source)s, %(channel)s, %(hashes)s::pg_catalog.bytea[], %(revisions)s::pg_catalog.int8[]
) AS forgotten
