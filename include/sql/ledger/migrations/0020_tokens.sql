-- A random text that a generation is begun with, and that the manifest of its object holds too: so a row that lost what
-- came after, as in a crash that lost the last commits, still proves that it is the one that wrote the object.
ALTER TABLE archiver.windows ADD COLUMN IF NOT EXISTS token text
