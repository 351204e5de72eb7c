-- An empty frame, invalid until each partition's index is attached to it. Writers wait for this moment alone.
CREATE INDEX {index} ON ONLY {table} ({column})
