-- Set where the row was made from a manifest: what is known of such a generation is what its manifest says.
ALTER TABLE archiver.windows ADD COLUMN rebuilt_at timestamptz
