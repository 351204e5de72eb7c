-- A restore asks what it has already put into its target, of an object whose bucket or prefix may be another by now.
CREATE INDEX IF NOT EXISTS restores_names ON archiver.restores (substring(object_key FROM '[^/]+$'))
