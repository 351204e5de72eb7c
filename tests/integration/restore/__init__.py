"""Tests of `pg_archiver.restore`."""
