-- A check refuses a config by an error. It runs in a transaction that is read only.
CALL {routine}(%(config)s::pg_catalog.jsonb)
