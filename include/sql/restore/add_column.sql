ALTER TABLE {target} ADD COLUMN {column} {type}
