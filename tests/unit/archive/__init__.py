"""Tests of `pg_archiver.archive`."""
