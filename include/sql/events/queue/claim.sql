-- Names may mean anything here, so all are qualified.
SELECT *
FROM archiver.claim_events(
    %(lane)s, %(lanes)s, %(most)s, %(after_priority)s, %(after_turn)s, %(passed_topics)s::pg_catalog.int8[],
    %(functions)s::pg_catalog.text[], %(done_topics)s::pg_catalog.int8[], %(done_turns)s::pg_catalog.int8[]
)
