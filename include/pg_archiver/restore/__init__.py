"""A span of a table brought back from S3."""
