"""Moves old rows of Postgres tables to S3 and deletes only what was read back and checked."""
