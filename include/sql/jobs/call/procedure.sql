-- By position, as TimescaleDB calls it. Without a transaction around it, so it may commit.
CALL {routine}(%(job_id)s::{id_type}, %(config)s::pg_catalog.jsonb)
