-- What went: how many versions, of how many bytes, and the highest of these and of what went before.
pg_catalog.count(*) AS deleted,
    coalesce(pg_catalog.sum(gone.bytes), 0)::pg_catalog.int8 AS bytes,
    greatest(pg_catalog.max(gone.version), %(highest)s::pg_catalog.text::{type})::pg_catalog.text AS highest
