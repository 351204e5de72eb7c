"""Tests of `pg_archiver.s3`."""
