-- The name by which the fate of this transaction can be asked for later.
SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text AS name
