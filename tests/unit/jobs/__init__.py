"""Tests of `pg_archiver.jobs`."""
