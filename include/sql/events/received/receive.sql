-- How many bindings take the messages, how many of these are new, and how many events they have become.
SELECT bindings, messages, noted
FROM archiver.receive_messages(
    %(source)s, %(channel)s, %(keys)s::pg_catalog.bytea[], %(contents)s::pg_catalog.bytea[],
    %(hashes)s::pg_catalog.bytea[], %(revisions)s::pg_catalog.int8[]
)
