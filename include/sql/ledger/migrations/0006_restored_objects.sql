-- A restore asks what it has already put into its target.
CREATE INDEX restores_objects ON archiver.restores (bucket, object_key, target_oid)
